"""A second factor knows whether it may be of a stranger who made the account before its owner came."""

import sqlalchemy as sa
from alembic import op

revision = "factors_in_doubt"
down_revision = "farewell_mail"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "totp_secrets", sa.Column("in_doubt", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("totp_secrets", "in_doubt")
