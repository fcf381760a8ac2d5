"""Second factors: the app's secret, recovery codes, half-done sign-ins, passkeys and the challenges that were used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

revision = "second_factors"
down_revision = "session_client"
branch_labels = None
depends_on = None

_MAIL_KINDS = (
    "kind IN ('verify', 'reset', 'change_email', 'undo_email', 'email_taken', 'refresh_token_reuse',"
    " 'password_changed', 'password_reset'"
)
_NEW_MAIL_KINDS = "'mfa_enabled', 'mfa_disabled', 'recovery_codes_replaced', 'recovery_code_used', 'passkey_added', 'passkey_removed'"
_EVENTS = (
    "event IN ('register', 'register_taken_email', 'login', 'logout', 'refresh_token_reuse', 'login_failed',"
    " 'session_ended', 'password_changed', 'password_reset_requested', 'password_reset',"
    " 'email_change_requested', 'email_changed', 'email_change_undone', 'email_verified', 'username_changed',"
    " 'account_disabled', 'account_enabled', 'account_deleted', 'mfa_enabled', 'mfa_disabled',"
    " 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked', 'oauth_unlinked',"
    " 'keys_rotated'"
)


def upgrade() -> None:
    create_totp_secrets()
    create_recovery_codes()
    create_login_challenges()
    create_passkeys()
    create_spent_passkey_challenges()
    replace_check("mails", "kind", f"{_MAIL_KINDS}, {_NEW_MAIL_KINDS})")
    replace_check("audit_events", "event", f"{_EVENTS}, 'recovery_codes_replaced')")


def downgrade() -> None:
    # What only the newer version knows goes; audit_events takes no DELETE, so its old rule is for new rows only.
    op.execute(f"DELETE FROM mails WHERE kind IN ({_NEW_MAIL_KINDS})")  # noqa: S608 - constants of this file
    replace_check("mails", "kind", f"{_MAIL_KINDS})")
    replace_check("audit_events", "event", f"{_EVENTS})", not_valid=True)
    for table in ("passkey_challenges", "passkeys", "login_challenges", "recovery_codes", "totp_secrets"):
        op.drop_table(table)


def create_totp_secrets() -> None:
    op.create_table(
        "totp_secrets",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger()),
        moment("created_at", default=True),
        moment("confirmed_at", nullable=True),
        sa.Column("confirmed_by", sa.Uuid()),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_secrets"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_totp_secrets_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "(confirmed_at IS NULL) = (last_step IS NULL) AND (confirmed_at IS NULL) = (confirmed_by IS NULL)",
            name=op.f("ck_totp_secrets_confirmed_at"),
        ),
    )


def create_recovery_codes() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        moment("created_at", default=True),
        moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="pk_recovery_codes"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["totp_secrets.user_id"],
            name="fk_recovery_codes_user_id_totp_secrets",
            ondelete="CASCADE",
        ),
    )


def create_login_challenges() -> None:
    op.create_table(
        "login_challenges",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        moment("created_at", default=True),
        moment("expires_at"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_login_challenges"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_login_challenges_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint("method IN ('password', 'google')", name=op.f("ck_login_challenges_method")),
        sa.CheckConstraint(
            "char_length(client_id) BETWEEN 1 AND 128", name=op.f("ck_login_challenges_client_id")
        ),
        sa.CheckConstraint("char_length(scope) BETWEEN 1 AND 256", name=op.f("ck_login_challenges_scope")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_login_challenges_expires_at")),
    )
    op.create_index("ix_login_challenges_user_id", "login_challenges", ["user_id"])
    op.create_index("ix_login_challenges_expires_at", "login_challenges", ["expires_at"])


def create_passkeys() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", ARRAY(sa.Text()), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        moment("created_at", default=True),
        moment("last_used_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_passkeys_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 64", name=op.f("ck_passkeys_name")),
        sa.CheckConstraint("sign_count BETWEEN 0 AND 4294967295", name=op.f("ck_passkeys_sign_count")),
        sa.CheckConstraint(
            "octet_length(credential_id) BETWEEN 1 AND 1023", name=op.f("ck_passkeys_credential_id")
        ),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])


def create_spent_passkey_challenges() -> None:
    op.create_table(
        "passkey_challenges",
        sa.Column("challenge_hash", sa.LargeBinary(), nullable=False),
        moment("expires_at"),
        sa.PrimaryKeyConstraint("challenge_hash", name="pk_passkey_challenges"),
    )
    op.create_index("ix_passkey_challenges_expires_at", "passkey_challenges", ["expires_at"])


def replace_check(table: str, name: str, condition: str, *, not_valid: bool = False) -> None:
    constraint = op.f(f"ck_{table}_{name}")
    op.drop_constraint(constraint, table, type_="check")
    op.create_check_constraint(constraint, table, condition, postgresql_not_valid=not_valid)


def moment(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column:
    server_default = sa.text("now()") if default else None
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=server_default, nullable=nullable)
