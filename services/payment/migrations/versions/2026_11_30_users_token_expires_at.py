"""`users.identity_as_of` becomes `token_expires_at`, as in Learn2Play."""

from alembic import op

revision = "users_token_expires_at"
down_revision = "idempotency_in_progress"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("users", "identity_as_of", new_column_name="token_expires_at")


def downgrade() -> None:
    op.alter_column("users", "token_expires_at", new_column_name="identity_as_of")
