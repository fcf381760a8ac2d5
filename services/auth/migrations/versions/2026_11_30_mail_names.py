"""Names of mails and their links: cooldowns, failed mails, payloads, verified addresses, links that revert a change."""

import sqlalchemy as sa
from alembic import op

revision = "mail_names"
down_revision = "attempt_counter_names"
branch_labels = None
depends_on = None

_OTHER_MAILS = (
    "'email_taken', 'refresh_token_reuse', 'password_changed', 'password_reset', 'mfa_enabled', 'mfa_disabled',"
    " 'recovery_codes_replaced', 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked',"
    " 'oauth_unlinked', 'account_deleted'"
)
_OTHER_EVENTS = (
    "'register', 'register_taken_email', 'login', 'logout', 'refresh_token_reuse', 'login_failed',"
    " 'session_ended', 'password_changed', 'password_reset_requested', 'password_reset',"
    " 'email_change_requested', 'email_changed', 'email_verified', 'username_changed',"
    " 'account_disabled', 'account_enabled', 'account_deleted', 'mfa_enabled', 'mfa_disabled',"
    " 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked', 'oauth_unlinked',"
    " 'keys_rotated', 'recovery_codes_replaced', 'password_voided', 'role_granted', 'role_revoked'"
)


def upgrade() -> None:
    op.alter_column("mails", "dead_at", new_column_name="failed_at")
    op.alter_column("mails", "detail", new_column_name="payload")
    op.alter_column("email_tokens", "was_proven", new_column_name="was_verified")
    op.alter_column("mail_gates", "at", new_column_name="started_at")
    op.rename_table("mail_gates", "mail_cooldowns")
    op.execute("ALTER TABLE mail_cooldowns RENAME CONSTRAINT pk_mail_gates TO pk_mail_cooldowns")
    op.execute("ALTER INDEX ix_mail_gates_at RENAME TO ix_mail_cooldowns_started_at")
    op.drop_index("ix_email_tokens_undo")
    rename_link_kind("undo_email", "revert_email")
    create_index("ix_email_tokens_revert", kind="revert_email")
    rename_event("email_change_undone", "email_change_reverted")


def downgrade() -> None:
    rename_event("email_change_reverted", "email_change_undone")
    op.drop_index("ix_email_tokens_revert")
    rename_link_kind("revert_email", "undo_email")
    create_index("ix_email_tokens_undo", kind="undo_email")
    op.execute("ALTER INDEX ix_mail_cooldowns_started_at RENAME TO ix_mail_gates_at")
    op.execute("ALTER TABLE mail_cooldowns RENAME CONSTRAINT pk_mail_cooldowns TO pk_mail_gates")
    op.rename_table("mail_cooldowns", "mail_gates")
    op.alter_column("mail_gates", "started_at", new_column_name="at")
    op.alter_column("email_tokens", "was_verified", new_column_name="was_proven")
    op.alter_column("mails", "payload", new_column_name="detail")
    op.alter_column("mails", "failed_at", new_column_name="dead_at")


def rename_link_kind(old: str, new: str) -> None:
    op.drop_index("ix_email_tokens_one_of_a_kind")
    links = f"'verify', 'reset', 'change_email', '{new}'"
    rename_value("email_tokens", "kind", old, new, values=links)
    rename_value("mails", "kind", old, new, values=f"{links}, {_OTHER_MAILS}")
    op.create_index(
        "ix_email_tokens_one_of_a_kind",
        "email_tokens",
        ["user_id", "kind"],
        unique=True,
        postgresql_where=sa.text(f"kind <> '{new}'"),
    )


def rename_event(old: str, new: str) -> None:
    rename_value("audit_events", "event", old, new, values=f"'{new}', {_OTHER_EVENTS}")


def rename_value(table: str, column: str, old: str, new: str, *, values: str) -> None:
    check = op.f(f"ck_{table}_{column}")
    op.drop_constraint(check, table, type_="check")
    op.execute(f"UPDATE {table} SET {column} = '{new}' WHERE {column} = '{old}'")  # noqa: S608 - names of this file
    op.create_check_constraint(check, table, f"{column} IN ({values})")


def create_index(name: str, *, kind: str) -> None:
    op.create_index(name, "email_tokens", ["email"], postgresql_where=sa.text(f"kind = '{kind}'"))
