"""How much of the way over the network was taken off the time of an answer."""

import sqlalchemy as sa
from alembic import op

revision = "lag_credit"
down_revision = "hosting"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "answers", sa.Column("lag_credit_ms", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("answers", "lag_credit_ms")
