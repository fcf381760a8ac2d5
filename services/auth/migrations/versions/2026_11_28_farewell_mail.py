"""The mail that tells an owner that the account was deleted."""

from alembic import op

revision = "farewell_mail"
down_revision = "withheld_accounts"
branch_labels = None
depends_on = None

_MAIL_KINDS = (
    "kind IN ('verify', 'reset', 'change_email', 'undo_email', 'email_taken', 'refresh_token_reuse',"
    " 'password_changed', 'password_reset', 'mfa_enabled', 'mfa_disabled', 'recovery_codes_replaced',"
    " 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked', 'oauth_unlinked'"
)


def upgrade() -> None:
    replace_mail_kinds(f"{_MAIL_KINDS}, 'account_deleted')")


def downgrade() -> None:
    op.execute("DELETE FROM mails WHERE kind = 'account_deleted'")
    replace_mail_kinds(f"{_MAIL_KINDS})")


def replace_mail_kinds(condition: str) -> None:
    op.drop_constraint(op.f("ck_mails_kind"), "mails", type_="check")
    op.create_check_constraint(op.f("ck_mails_kind"), "mails", condition)
