"""Sign-ins with Google that lead to a standard client: what the client asked for is kept until the browser is back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "google_for_clients"
down_revision = "standard_clients"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("oauth_states", sa.Column("authorization_request", JSONB()))
    op.alter_column("oauth_states", "redirect_to", nullable=True)
    op.create_check_constraint(
        op.f("ck_oauth_states_leads_to"),
        "oauth_states",
        "(redirect_to IS NULL) <> (authorization_request IS NULL)",
    )


def downgrade() -> None:
    # Where these would lead, nothing could say any more; they live ten minutes.
    op.execute("DELETE FROM oauth_states WHERE redirect_to IS NULL")
    op.drop_constraint(op.f("ck_oauth_states_leads_to"), "oauth_states", type_="check")
    op.alter_column("oauth_states", "redirect_to", nullable=False)
    op.drop_column("oauth_states", "authorization_request")
