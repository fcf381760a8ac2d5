"""When each socket of a connection was opened, so that a user's are counted over all processes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

revision = "socket_times"
down_revision = "lag_credit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    times = ARRAY(TIMESTAMP(timezone=True))
    op.add_column(
        "lobby_connections", sa.Column("opened_at", times, server_default=sa.text("'{}'"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("lobby_connections", "opened_at")
