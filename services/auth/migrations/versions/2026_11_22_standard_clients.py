"""Standard clients: codes of one use that stand for a session until they are exchanged."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "standard_clients"
down_revision = "google"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column("scope", sa.Text(), server_default=sa.text("'openid profile email'"), nullable=False),
    )
    op.create_check_constraint(op.f("ck_sessions_scope"), "sessions", "char_length(scope) BETWEEN 1 AND 256")
    op.create_table(
        "authorization_codes",
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("code_challenge", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text()),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", TIMESTAMP(timezone=True)),
        sa.PrimaryKeyConstraint("code_hash", name="pk_authorization_codes"),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            ondelete="CASCADE",
            name="fk_authorization_codes_session_id_sessions",
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_authorization_codes_expires_at")),
        sa.CheckConstraint(
            "char_length(code_challenge) = 43", name=op.f("ck_authorization_codes_code_challenge")
        ),
    )
    op.create_index("ix_authorization_codes_session_id", "authorization_codes", ["session_id"])
    op.create_index("ix_authorization_codes_expires_at", "authorization_codes", ["expires_at"])


def downgrade() -> None:
    op.drop_table("authorization_codes")
    op.drop_constraint(op.f("ck_sessions_scope"), "sessions", type_="check")
    op.drop_column("sessions", "scope")
