"""Who is connected to a lobby, as its log tells; pauses of games that everybody left; when lobbies were looked after."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "presence"
down_revision = "question_sets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lobby_presence",
        sa.Column("lobby_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("is_connected", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seen_until", TIMESTAMP(timezone=True)),
        sa.Column("left_at", TIMESTAMP(timezone=True)),
        sa.PrimaryKeyConstraint("lobby_id", "user_id", name="pk_lobby_presence"),
        reference("lobby_id", "lobbies"),
        reference("user_id", "users"),
    )
    op.create_index("idx_lobby_presence_user", "lobby_presence", ["user_id"])
    connected = sa.text("is_connected")
    op.create_index(
        "idx_lobby_presence_connected", "lobby_presence", ["lobby_id"], postgresql_where=connected
    )
    op.create_table(
        "upkeep",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "done_at", TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_upkeep"),
        sa.CheckConstraint("id = 1", name=op.f("ck_upkeep_one_row")),
    )
    op.execute("INSERT INTO upkeep (id) VALUES (1)")
    op.add_column("games", sa.Column("pause_reason", sa.Text()))


def downgrade() -> None:
    op.drop_column("games", "pause_reason")
    op.drop_table("upkeep")
    op.drop_table("lobby_presence")


def reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_lobby_presence_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")
