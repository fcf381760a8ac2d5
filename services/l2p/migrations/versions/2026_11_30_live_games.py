"""Live games: the lobbies' logs, leases and phases of games, results of questions, connections."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "live_games"
down_revision = "attempt_counter_names"
branch_labels = None
depends_on = None

STATUSES = "('starting', 'question', 'reveal', 'finished', 'aborted', 'paused')"
IS_RUNNING = sa.text("status NOT IN ('finished', 'aborted')")


def upgrade() -> None:
    extend_lobbies()
    extend_games()
    extend_game_participants()
    extend_questions()
    create_lobby_events()
    create_question_results()
    create_connections()


def downgrade() -> None:
    for table in ("lobby_connections", "processes", "question_results", "lobby_events"):
        op.drop_table(table)
    for column in ("closed_at", "closes_at", "opens_at", "time_limit_ms", "explanation"):
        op.drop_column("questions", column)
    for column in ("rank", "streak", "first_question"):
        op.drop_column("game_participants", column)
    op.drop_index("idx_games_lease")
    op.drop_index("uq_games_running")
    for column in (
        "lease_until",
        "lease_epoch",
        "lease_holder",
        "paused_at",
        "paused_status",
        "phase_ends_at",
    ):
        op.drop_column("games", column)
    op.drop_column("games", "settings")
    for column in ("event_seq", "stream", "closed_at"):
        op.drop_column("lobbies", column)


def extend_lobbies() -> None:
    op.add_column("lobbies", sa.Column("closed_at", TIMESTAMP(timezone=True)))
    # Each row needs a value of its own, so the table is written anew.
    op.add_column(
        "lobbies",
        sa.Column("stream", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
    )
    op.add_column(
        "lobbies", sa.Column("event_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )


def extend_games() -> None:
    op.add_column(
        "games", sa.Column("settings", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
    )
    op.add_column("games", sa.Column("phase_ends_at", TIMESTAMP(timezone=True)))
    op.add_column("games", sa.Column("paused_status", sa.Text()))
    op.add_column("games", sa.Column("paused_at", TIMESTAMP(timezone=True)))
    op.add_column("games", sa.Column("lease_holder", sa.Uuid()))
    op.add_column(
        "games", sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("games", sa.Column("lease_until", TIMESTAMP(timezone=True)))
    op.create_check_constraint(op.f("ck_games_paused_status"), "games", f"paused_status IN {STATUSES}")
    op.create_index("uq_games_running", "games", ["lobby_id"], unique=True, postgresql_where=IS_RUNNING)
    op.create_index("idx_games_lease", "games", ["lease_until"], postgresql_where=IS_RUNNING)


def extend_game_participants() -> None:
    for name in ("first_question", "streak"):
        op.add_column(
            "game_participants", sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
        op.create_check_constraint(op.f(f"ck_game_participants_{name}"), "game_participants", f"{name} >= 0")
    op.add_column("game_participants", sa.Column("rank", sa.Integer()))


def extend_questions() -> None:
    op.add_column("questions", sa.Column("explanation", sa.Text()))
    op.add_column(
        "questions", sa.Column("time_limit_ms", sa.Integer(), server_default=sa.text("20000"), nullable=False)
    )
    op.create_check_constraint(op.f("ck_questions_time_limit_ms"), "questions", "time_limit_ms > 0")
    for name in ("opens_at", "closes_at", "closed_at"):
        op.add_column("questions", sa.Column(name, TIMESTAMP(timezone=True)))


def create_lobby_events() -> None:
    op.create_table(
        "lobby_events",
        sa.Column("lobby_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        moment("at"),
        sa.PrimaryKeyConstraint("lobby_id", "seq", name="pk_lobby_events"),
        reference("lobby_events", "lobby_id", "lobbies"),
    )
    opened = sa.text("type = 'question.opened'")
    op.create_index("idx_lobby_events_opened", "lobby_events", ["lobby_id", "seq"], postgresql_where=opened)


def create_question_results() -> None:
    op.create_table(
        "question_results",
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("question_id", "participant_id", name="pk_question_results"),
        reference("question_results", "question_id", "questions"),
        reference("question_results", "participant_id", "game_participants"),
        sa.CheckConstraint("points >= 0", name=op.f("ck_question_results_points")),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_question_results_rank")),
    )
    op.create_index("idx_question_results_participant", "question_results", ["participant_id"])


def create_connections() -> None:
    op.create_table(
        "processes",
        sa.Column("id", sa.Uuid(), nullable=False),
        moment("heartbeat_at"),
        sa.PrimaryKeyConstraint("id", name="pk_processes"),
    )
    op.create_table(
        "lobby_connections",
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("lobby_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        moment("connected_at"),
        sa.PrimaryKeyConstraint("process_id", "lobby_id", "user_id", name="pk_lobby_connections"),
        reference("lobby_connections", "process_id", "processes"),
        reference("lobby_connections", "lobby_id", "lobbies"),
        reference("lobby_connections", "user_id", "users"),
    )
    op.create_index("idx_lobby_connections_lobby", "lobby_connections", ["lobby_id", "user_id"])
    op.create_index("idx_lobby_connections_user", "lobby_connections", ["user_id"])


def moment(name: str) -> "sa.Column[TIMESTAMP]":
    return sa.Column(
        name, TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")
