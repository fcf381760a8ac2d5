"""First tables: players, lobbies and their seats, games with participants, questions and answers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, JSONB, TIMESTAMP

revision = "l2p_0001_first_tables"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_users()
    create_lobbies()
    create_lobby_players()
    create_code_guesses()
    create_games()
    create_game_participants()
    create_questions()
    create_answers()


def downgrade() -> None:
    for table in ("answers", "questions", "game_participants", "games"):
        op.drop_table(table)
    for table in ("code_guesses", "lobby_players", "lobbies", "users"):
        op.drop_table(table)


def create_users() -> None:
    op.create_table(
        "users",
        primary_key(),
        sa.Column("username", CITEXT()),
        sa.Column("email", CITEXT()),
        sa.Column("password_hash", sa.Text()),
        sa.Column("rating", sa.Integer(), server_default=sa.text("1500"), nullable=False),
        moment("created_at"),
        sa.Column("token_expires_at", TIMESTAMP(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.CheckConstraint(
            "password_hash IS NULL OR (username IS NOT NULL AND email IS NOT NULL)",
            name=op.f("ck_users_own_account_is_named"),
        ),
    )


def create_lobbies() -> None:
    op.create_table(
        "lobbies",
        primary_key(),
        sa.Column("creator_id", sa.Uuid()),
        sa.Column("host_id", sa.Uuid()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("max_players", sa.Integer(), server_default=sa.text("8"), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("settings", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        moment("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_lobbies"),
        reference("lobbies", "creator_id", "users", ondelete="SET NULL"),
        reference("lobbies", "host_id", "users", ondelete="SET NULL"),
        sa.CheckConstraint("max_players BETWEEN 1 AND 500", name=op.f("ck_lobbies_max_players")),
        sa.CheckConstraint("status IN ('waiting', 'in_game', 'closed')", name=op.f("ck_lobbies_status")),
    )
    is_public = sa.text("(NOT settings @> '{\"is_private\": true}'::jsonb)")
    op.create_index("idx_lobbies_status", "lobbies", ["status", is_public, "created_at", "id"])
    op.create_index("idx_lobbies_creator", "lobbies", ["creator_id"])
    op.create_index("idx_lobbies_host", "lobbies", ["host_id"])
    op.create_index(
        "idx_lobbies_name",
        "lobbies",
        ["name"],
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.create_index(
        "uq_lobbies_code", "lobbies", ["code"], unique=True, postgresql_where=sa.text("status <> 'closed'")
    )


def create_lobby_players() -> None:
    op.create_table(
        "lobby_players",
        primary_key(),
        sa.Column("lobby_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("is_ready", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        moment("joined_at"),
        sa.PrimaryKeyConstraint("id", name="pk_lobby_players"),
        sa.UniqueConstraint("lobby_id", "user_id", name="uq_lobby_players_lobby_id_user_id"),
        reference("lobby_players", "lobby_id", "lobbies", ondelete="CASCADE"),
        reference("lobby_players", "user_id", "users", ondelete="CASCADE"),
    )
    op.create_index("idx_lobby_players_user", "lobby_players", ["user_id"])


def create_code_guesses() -> None:
    op.create_table(
        "code_guesses",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("guessed_at", ARRAY(TIMESTAMP(timezone=True)), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_code_guesses"),
        reference("code_guesses", "user_id", "users", ondelete="CASCADE"),
    )


def create_games() -> None:
    op.create_table(
        "games",
        primary_key(),
        sa.Column("lobby_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'starting'"), nullable=False),
        sa.Column("current_question", sa.Integer()),
        moment("started_at"),
        sa.Column("ended_at", TIMESTAMP(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_games"),
        reference("games", "lobby_id", "lobbies", ondelete="RESTRICT"),
        sa.CheckConstraint(
            "status IN ('starting', 'question', 'reveal', 'finished', 'aborted', 'paused')",
            name=op.f("ck_games_status"),
        ),
        sa.CheckConstraint("current_question >= 0", name=op.f("ck_games_current_question")),
    )
    op.create_index("idx_games_lobby", "games", ["lobby_id"])
    op.create_index("idx_games_status", "games", ["status"])


def create_game_participants() -> None:
    op.create_table(
        "game_participants",
        primary_key(),
        sa.Column("game_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("score", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("correct_answers", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_game_participants"),
        sa.UniqueConstraint("game_id", "user_id", name="uq_game_participants_game_id_user_id"),
        reference("game_participants", "game_id", "games", ondelete="CASCADE"),
        reference("game_participants", "user_id", "users", ondelete="SET NULL"),
        sa.CheckConstraint("score >= 0", name=op.f("ck_game_participants_score")),
        sa.CheckConstraint("correct_answers >= 0", name=op.f("ck_game_participants_correct_answers")),
    )
    op.create_index("idx_game_participants_user", "game_participants", ["user_id"])


def create_questions() -> None:
    op.create_table(
        "questions",
        primary_key(),
        sa.Column("game_id", sa.Uuid(), nullable=False),
        sa.Column("question_text", sa.Text(), nullable=False),
        sa.Column("options", JSONB(), nullable=False),
        sa.Column("correct_answer", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), server_default=sa.text("1000"), nullable=False),
        sa.Column("order_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_questions"),
        sa.UniqueConstraint("game_id", "order_index", name="uq_questions_game_id_order_index"),
        reference("questions", "game_id", "games", ondelete="CASCADE"),
        sa.CheckConstraint("points >= 0", name=op.f("ck_questions_points")),
        sa.CheckConstraint("order_index >= 0", name=op.f("ck_questions_order_index")),
    )


def create_answers() -> None:
    op.create_table(
        "answers",
        primary_key(),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("is_correct", sa.Boolean(), nullable=False),
        sa.Column("time_taken_ms", sa.Integer(), nullable=False),
        moment("submitted_at"),
        sa.PrimaryKeyConstraint("id", name="pk_answers"),
        sa.UniqueConstraint("participant_id", "question_id", name="uq_answers_participant_id_question_id"),
        reference("answers", "participant_id", "game_participants", ondelete="CASCADE"),
        reference("answers", "question_id", "questions", ondelete="CASCADE"),
        sa.CheckConstraint("time_taken_ms >= 0", name=op.f("ck_answers_time_taken_ms")),
    )
    op.create_index("idx_answers_question", "answers", ["question_id"])


def primary_key() -> "sa.Column[sa.Uuid]":
    return sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)


def moment(name: str) -> "sa.Column[TIMESTAMP]":
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False)


def reference(table: str, column: str, target: str, *, ondelete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)
