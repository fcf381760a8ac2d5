"""Ratings, results of finished games, and the standings of the leaderboards, which triggers keep."""
# ruff: noqa: S608 - composed of constants of this file

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, TIMESTAMP

revision = "standings"
down_revision = "live_games"
branch_labels = None
depends_on = None

# Ranks and the number of players are those of the whole game; rows are only for those who have an account. A game of plain
# SQL may have no `ended_at`.
RESULTS = """
    SELECT placed.* FROM (
        SELECT part.id AS participant_id, part.user_id, part.game_id,
            coalesce(game.ended_at, game.started_at) AS ended_at, part.score,
            rank() OVER (PARTITION BY part.game_id ORDER BY part.score DESC)::integer AS rank,
            (count(*) OVER (PARTITION BY part.game_id))::integer AS player_count
        FROM games AS game JOIN game_participants AS part ON part.game_id = game.id
        WHERE game.id = ANY(changed_games) AND game.status = 'finished'
    ) AS placed JOIN users AS player ON player.id = placed.user_id AND NOT player.is_guest
"""

REFRESH_RESULTS = f"""
    CREATE FUNCTION refresh_game_results(changed_games uuid[]) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM game_results AS result WHERE result.game_id = ANY(changed_games) AND NOT EXISTS (
            SELECT FROM ({RESULTS}) AS wanted
            WHERE wanted.participant_id = result.participant_id
                AND (wanted.user_id, wanted.ended_at, wanted.score, wanted.rank, wanted.player_count)
                    = (result.user_id, result.ended_at, result.score, result.rank, result.player_count)
        );
        INSERT INTO game_results (participant_id, user_id, game_id, ended_at, score, rank, player_count)
        {RESULTS} ON CONFLICT (participant_id) DO NOTHING;
    END $$
"""

AFTER_PARTICIPANTS = """
    CREATE FUNCTION note_participants() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed_games uuid[] := ARRAY(
            SELECT DISTINCT game.id FROM changed JOIN games AS game ON game.id = changed.game_id
            WHERE game.status = 'finished'
        );
    BEGIN
        IF cardinality(changed_games) > 0 THEN
            PERFORM refresh_game_results(changed_games);
        END IF;
        RETURN NULL;
    END $$
"""

# Most updates of games renew leases or move phases.
AFTER_GAMES = """
    CREATE FUNCTION note_games() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed_games uuid[] := ARRAY(
            SELECT after.id FROM before JOIN after ON after.id = before.id
            WHERE 'finished' IN (before.status, after.status)
                AND (before.status, before.ended_at) IS DISTINCT FROM (after.status, after.ended_at)
        );
    BEGIN
        IF cardinality(changed_games) > 0 THEN
            PERFORM refresh_game_results(changed_games);
        END IF;
        RETURN NULL;
    END $$
"""

AFTER_USERS = """
    CREATE FUNCTION note_ratings() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO standings (board, period, user_id, value)
        SELECT 'rating', 'all', id, rating FROM changed WHERE NOT is_guest ORDER BY id
        ON CONFLICT (board, period, user_id) DO UPDATE SET value = excluded.value
        WHERE standings.value <> excluded.value;
        RETURN NULL;
    END $$
"""

# Rows are taken in one order, so that two games of the same players wait for each other, and do not deadlock.
GAINS = """
    SELECT kind.board, span.period, changed.user_id, sum(kind.value)::bigint AS value
    FROM changed
    CROSS JOIN LATERAL (SELECT changed.ended_at AT TIME ZONE 'UTC' AS utc) AS moment
    CROSS JOIN LATERAL (VALUES
        ('score', changed.score), ('wins', (changed.rank = 1 AND changed.player_count > 1)::integer)
    ) AS kind (board, value)
    CROSS JOIN LATERAL (VALUES
        ('all'), (to_char(moment.utc, '"month "YYYY-MM')),
        (to_char(date_trunc('week', moment.utc), '"week "YYYY-MM-DD')), (to_char(moment.utc, '"day "YYYY-MM-DD'))
    ) AS span (period)
    WHERE kind.value > 0
    GROUP BY kind.board, span.period, changed.user_id ORDER BY changed.user_id, kind.board, span.period
"""

ADD_RESULTS = f"""
    CREATE FUNCTION add_game_results() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO standings (board, period, user_id, value) {GAINS}
        ON CONFLICT (board, period, user_id) DO UPDATE SET value = standings.value + excluded.value;
        RETURN NULL;
    END $$
"""

REMOVE_RESULTS = f"""
    CREATE FUNCTION remove_game_results() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE standings SET value = standings.value - gain.value FROM ({GAINS}) AS gain
        WHERE (standings.board, standings.period, standings.user_id) = (gain.board, gain.period, gain.user_id);
        DELETE FROM standings USING changed
        WHERE standings.user_id = changed.user_id AND standings.board <> 'rating' AND standings.value = 0;
        RETURN NULL;
    END $$
"""

CHANGES = {
    "added": "SELECT board, period, value, 1 AS sign FROM after",
    "removed": "SELECT board, period, value, -1 AS sign FROM before",
    "moved": "SELECT board, period, value, 1 AS sign FROM after UNION ALL SELECT board, period, value, -1 FROM before",
}

FUNCTIONS = (
    *(f"count_standings_{name}()" for name in CHANGES),
    "remove_game_results()",
    "add_game_results()",
    "note_ratings()",
    "note_games()",
    "note_participants()",
    "refresh_game_results(uuid[])",
)

TRIGGERS = (
    "note_new_participants AFTER INSERT ON game_participants REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION note_participants()",
    "note_changed_participants AFTER UPDATE ON game_participants REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION note_participants()",
    "note_deleted_participants AFTER DELETE ON game_participants REFERENCING OLD TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION note_participants()",
    "note_changed_games AFTER UPDATE ON games REFERENCING OLD TABLE AS before NEW TABLE AS after"
    " FOR EACH STATEMENT EXECUTE FUNCTION note_games()",
    "note_new_ratings AFTER INSERT ON users REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION note_ratings()",
    "note_changed_ratings AFTER UPDATE ON users REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION note_ratings()",
    "add_game_results AFTER INSERT ON game_results REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION add_game_results()",
    "remove_game_results AFTER DELETE ON game_results REFERENCING OLD TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION remove_game_results()",
    "count_new_standings AFTER INSERT ON standings REFERENCING NEW TABLE AS after"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_standings_added()",
    "count_changed_standings AFTER UPDATE ON standings REFERENCING OLD TABLE AS before NEW TABLE AS after"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_standings_moved()",
    "count_deleted_standings AFTER DELETE ON standings REFERENCING OLD TABLE AS before"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_standings_removed()",
)


def upgrade() -> None:
    op.add_column("users", sa.Column("rating_mu", DOUBLE_PRECISION()))
    op.add_column("users", sa.Column("rating_sigma", DOUBLE_PRECISION()))
    op.add_column(
        "users", sa.Column("is_guest", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    create_rating_changes()
    create_game_results()
    create_standings()
    create_standing_counts()
    for function in (
        REFRESH_RESULTS,
        AFTER_PARTICIPANTS,
        AFTER_GAMES,
        AFTER_USERS,
        ADD_RESULTS,
        REMOVE_RESULTS,
    ):
        op.execute(function)
    for name, changes in CHANGES.items():
        op.execute(count_standings(name, changes))
    for trigger in TRIGGERS:
        op.execute(f"CREATE TRIGGER {trigger}")
    count_existing()


def downgrade() -> None:
    for trigger in TRIGGERS:
        name, table = trigger.split()[0], trigger.split()[4]
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for table in ("standing_counts", "standings", "game_results", "rating_changes"):
        op.drop_table(table)
    for column in ("is_guest", "rating_sigma", "rating_mu"):
        op.drop_column("users", column)


def count_standings(name: str, changes: str) -> str:
    return f"""
        CREATE FUNCTION count_standings_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO standing_counts (board, period, width, slot, players)
            SELECT board, period, width, floor(value / width)::bigint, sum(sign)
            FROM ({changes}) AS change CROSS JOIN (VALUES (1.0), (1000.0)) AS size (width)
            GROUP BY board, period, width, floor(value / width) HAVING sum(sign) <> 0;
            RETURN NULL;
        END $$
    """


def count_existing() -> None:
    op.execute(
        "INSERT INTO standings (board, period, user_id, value) SELECT 'rating', 'all', id, rating FROM users"
    )
    op.execute("SELECT refresh_game_results(ARRAY(SELECT id FROM games WHERE status = 'finished'))")


def create_rating_changes() -> None:
    numbers = ("mu_before", "sigma_before", "mu", "sigma")
    op.create_table(
        "rating_changes",
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, DOUBLE_PRECISION(), nullable=False) for name in numbers),
        sa.Column("rating_before", sa.Integer(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("participant_id", name="pk_rating_changes"),
        reference("rating_changes", "participant_id", "game_participants"),
    )


def create_game_results() -> None:
    op.create_table(
        "game_results",
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("game_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", TIMESTAMP(timezone=True), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("score", "rank", "player_count")),
        sa.PrimaryKeyConstraint("participant_id", name="pk_game_results"),
        reference("game_results", "participant_id", "game_participants"),
        reference("game_results", "user_id", "users"),
        reference("game_results", "game_id", "games"),
    )
    op.create_index("idx_game_results_user", "game_results", ["user_id", "ended_at", "game_id"])
    op.create_index("idx_game_results_game", "game_results", ["game_id"])


def create_standings() -> None:
    op.create_table(
        "standings",
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("board", "period", "user_id", name="pk_standings"),
        reference("standings", "user_id", "users"),
        sa.CheckConstraint("board IN ('rating', 'score', 'wins')", name=op.f("ck_standings_board")),
    )
    op.create_index("idx_standings_value", "standings", ["board", "period", "value", "user_id"])
    op.create_index("idx_standings_user", "standings", ["user_id"])


def create_standing_counts() -> None:
    op.create_table(
        "standing_counts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("players", sa.BigInteger(), nullable=False),
        sa.Column("is_merged", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_standing_counts"),
    )
    op.create_index(
        "idx_standing_counts_slot",
        "standing_counts",
        ["board", "period", "width", "slot"],
        postgresql_include=["players"],
    )
    fresh = sa.text("NOT is_merged")
    op.create_index("idx_standing_counts_fresh", "standing_counts", ["id"], postgresql_where=fresh)


def reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")
