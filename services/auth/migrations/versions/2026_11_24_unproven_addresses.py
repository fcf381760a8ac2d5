"""Ways back to an address know whether it had been proven, and the history tells when a password was taken away."""

import sqlalchemy as sa
from alembic import op

revision = "unproven_addresses"
down_revision = "google_for_clients"
branch_labels = None
depends_on = None

_EVENTS = (
    "event IN ('register', 'register_taken_email', 'login', 'logout', 'refresh_token_reuse', 'login_failed',"
    " 'session_ended', 'password_changed', 'password_reset_requested', 'password_reset',"
    " 'email_change_requested', 'email_changed', 'email_change_undone', 'email_verified', 'username_changed',"
    " 'account_disabled', 'account_enabled', 'account_deleted', 'mfa_enabled', 'mfa_disabled',"
    " 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked', 'oauth_unlinked',"
    " 'keys_rotated', 'recovery_codes_replaced'"
)


def upgrade() -> None:
    op.add_column(
        "email_tokens", sa.Column("was_proven", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    replace_events(f"{_EVENTS}, 'password_voided')")


def downgrade() -> None:
    op.execute("DELETE FROM audit_events WHERE event = 'password_voided'")
    replace_events(f"{_EVENTS})")
    op.drop_column("email_tokens", "was_proven")


def replace_events(condition: str) -> None:
    op.drop_constraint(op.f("ck_audit_events_event"), "audit_events", type_="check")
    op.create_check_constraint(op.f("ck_audit_events_event"), "audit_events", condition)
