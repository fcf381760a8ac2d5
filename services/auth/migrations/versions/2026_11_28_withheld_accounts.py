"""Accounts that were registered with a taken address: they keep a username and a password, and are never signed in to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import CITEXT

revision = "withheld_accounts"
down_revision = "unproven_addresses"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("withheld_from", sa.Uuid()))
    op.add_column("users", sa.Column("withheld_email", CITEXT()))
    op.create_foreign_key(
        "fk_users_withheld_from_users", "users", "users", ["withheld_from"], ["id"], ondelete="CASCADE"
    )
    op.create_check_constraint(
        op.f("ck_users_withheld"),
        "users",
        "(withheld_from IS NULL) = (withheld_email IS NULL) AND (withheld_from IS NULL OR NOT email_verified)",
    )
    op.create_index("ix_users_withheld_from", "users", ["withheld_from"])
    op.create_index("ix_users_withheld_email", "users", ["withheld_email"])


def downgrade() -> None:
    # Without the columns they would be accounts like any other.
    op.execute("DELETE FROM users WHERE withheld_from IS NOT NULL")
    op.drop_column("users", "withheld_email")
    op.drop_column("users", "withheld_from")
