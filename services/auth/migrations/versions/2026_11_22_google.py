"""Sign-in with Google: what was begun, the codes that end it, and when an account was linked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "google"
down_revision = "second_factors"
branch_labels = None
depends_on = None

_MAIL_KINDS = (
    "kind IN ('verify', 'reset', 'change_email', 'undo_email', 'email_taken', 'refresh_token_reuse',"
    " 'password_changed', 'password_reset', 'mfa_enabled', 'mfa_disabled', 'recovery_codes_replaced',"
    " 'recovery_code_used', 'passkey_added', 'passkey_removed'"
)
_NEW_MAIL_KINDS = "'oauth_linked', 'oauth_unlinked'"


def upgrade() -> None:
    op.add_column("oauth_accounts", moment("created_at", default=True))
    create_oauth_states()
    create_oauth_codes()
    replace_mail_kinds(f"{_MAIL_KINDS}, {_NEW_MAIL_KINDS})")


def downgrade() -> None:
    op.execute(f"DELETE FROM mails WHERE kind IN ({_NEW_MAIL_KINDS})")  # noqa: S608 - constants of this file
    replace_mail_kinds(f"{_MAIL_KINDS})")
    op.drop_table("oauth_codes")
    op.drop_table("oauth_states")
    op.drop_column("oauth_accounts", "created_at")


def create_oauth_states() -> None:
    op.create_table(
        "oauth_states",
        sa.Column("state_hash", sa.Text(), nullable=False),
        sa.Column("browser_hash", sa.Text(), nullable=False),
        sa.Column("redirect_to", sa.Text(), nullable=False),
        sa.Column("code_challenge", sa.Text()),
        moment("created_at", default=True),
        moment("expires_at"),
        moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("state_hash", name="pk_oauth_states"),
        sa.CheckConstraint(
            "char_length(redirect_to) BETWEEN 1 AND 2048", name=op.f("ck_oauth_states_redirect_to")
        ),
        sa.CheckConstraint("char_length(code_challenge) = 43", name=op.f("ck_oauth_states_code_challenge")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_oauth_states_expires_at")),
    )
    op.create_index("ix_oauth_states_expires_at", "oauth_states", ["expires_at"])


def create_oauth_codes() -> None:
    op.create_table(
        "oauth_codes",
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Uuid()),
        sa.Column("sealed_factor_token", sa.LargeBinary()),
        sa.Column("code_challenge", sa.Text()),
        moment("created_at", default=True),
        moment("expires_at"),
        moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name="pk_oauth_codes"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_oauth_codes_session_id_sessions", ondelete="CASCADE"
        ),
        sa.CheckConstraint("char_length(code_challenge) = 43", name=op.f("ck_oauth_codes_code_challenge")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_oauth_codes_expires_at")),
        sa.CheckConstraint(
            "(session_id IS NULL) <> (sealed_factor_token IS NULL)", name=op.f("ck_oauth_codes_stands_for")
        ),
    )
    op.create_index("ix_oauth_codes_session_id", "oauth_codes", ["session_id"])
    op.create_index("ix_oauth_codes_expires_at", "oauth_codes", ["expires_at"])


def replace_mail_kinds(condition: str) -> None:
    op.drop_constraint(op.f("ck_mails_kind"), "mails", type_="check")
    op.create_check_constraint(op.f("ck_mails_kind"), "mails", condition)


def moment(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column:
    server_default = sa.text("now()") if default else None
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=server_default, nullable=nullable)
