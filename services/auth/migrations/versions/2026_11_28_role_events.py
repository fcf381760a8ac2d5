"""The history tells when a role was given to an account or taken away."""

from alembic import op

revision = "role_events"
down_revision = "factors_in_doubt"
branch_labels = None
depends_on = None

_EVENTS = (
    "event IN ('register', 'register_taken_email', 'login', 'logout', 'refresh_token_reuse', 'login_failed',"
    " 'session_ended', 'password_changed', 'password_reset_requested', 'password_reset',"
    " 'email_change_requested', 'email_changed', 'email_change_undone', 'email_verified', 'username_changed',"
    " 'account_disabled', 'account_enabled', 'account_deleted', 'mfa_enabled', 'mfa_disabled',"
    " 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked', 'oauth_unlinked',"
    " 'keys_rotated', 'recovery_codes_replaced', 'password_voided'"
)


def upgrade() -> None:
    replace_events(f"{_EVENTS}, 'role_granted', 'role_revoked')")


def downgrade() -> None:
    # The service of before could not show them.
    op.execute("DELETE FROM audit_events WHERE event IN ('role_granted', 'role_revoked')")
    replace_events(f"{_EVENTS})")


def replace_events(condition: str) -> None:
    op.drop_constraint(op.f("ck_audit_events_event"), "audit_events", type_="check")
    op.create_check_constraint(op.f("ck_audit_events_event"), "audit_events", condition)
