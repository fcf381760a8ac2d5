"""What hosts decide: bans of a lobby, and guests of one lobby."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import CITEXT, TIMESTAMP

revision = "hosting"
down_revision = "presence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lobby_bans",
        sa.Column("lobby_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "banned_at",
            TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("lobby_id", "user_id", name="pk_lobby_bans"),
        sa.ForeignKeyConstraint(
            ["lobby_id"], ["lobbies.id"], name=op.f("fk_lobby_bans_lobby_id_lobbies"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_lobby_bans_user_id_users"), ondelete="CASCADE"
        ),
    )
    op.create_index("idx_lobby_bans_user", "lobby_bans", ["user_id"])
    op.add_column("users", sa.Column("guest_lobby_id", sa.Uuid()))
    op.add_column("users", sa.Column("nickname", CITEXT()))
    op.add_column("users", sa.Column("nickname_key", sa.Text()))
    op.create_foreign_key(
        op.f("fk_users_guest_lobby_id_lobbies"),
        "users",
        "lobbies",
        ["guest_lobby_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_check_constraint(
        op.f("ck_users_guest"), "users", "num_nonnulls(guest_lobby_id, nickname, nickname_key) IN (0, 3)"
    )
    op.create_index("uq_users_nickname", "users", ["guest_lobby_id", "nickname_key"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_users_nickname")
    op.drop_constraint(op.f("ck_users_guest"), "users")
    for column in ("nickname_key", "nickname", "guest_lobby_id"):
        op.drop_column("users", column)
    op.drop_table("lobby_bans")
