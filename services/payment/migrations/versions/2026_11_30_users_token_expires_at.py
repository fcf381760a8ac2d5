"""`users.token_expires_at`: the name that Learn2Play has for it."""

from alembic import op

revision = "users_token_expires_at"
down_revision = "idempotency_in_progress"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("users", "identity_as_of", new_column_name="token_expires_at")


def downgrade() -> None:
    op.alter_column("users", "token_expires_at", new_column_name="identity_as_of")
