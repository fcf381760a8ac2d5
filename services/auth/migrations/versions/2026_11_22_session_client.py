"""Which client a session was begun with."""

import sqlalchemy as sa
from alembic import op

revision = "session_client"
down_revision = "mail"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sessions", sa.Column("client_id", sa.Text(), server_default=sa.text("'quartet'"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_sessions_client_id"), "sessions", "char_length(client_id) BETWEEN 1 AND 128"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_sessions_client_id"), "sessions", type_="check")
    op.drop_column("sessions", "client_id")
