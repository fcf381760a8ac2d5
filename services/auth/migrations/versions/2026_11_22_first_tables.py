"""First tables: users, sessions, OAuth accounts, signing keys, audit events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, JSONB, TIMESTAMP

from dbcommon.migrations import make_append_only

revision = "auth_0001_first_tables"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_users()
    create_sessions()
    create_oauth_accounts()
    create_signing_keys()
    create_audit_events()


def downgrade() -> None:
    for table in ("audit_events", "signing_keys", "oauth_accounts", "sessions", "users"):
        op.drop_table(table)


def create_users() -> None:
    op.create_table(
        "users",
        primary_key(),
        sa.Column("email", CITEXT(), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("username", CITEXT(), nullable=False),
        sa.Column("email_verified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("roles", ARRAY(sa.Text()), server_default=sa.text("'{user}'"), nullable=False),
        moment("disabled_at", nullable=True),
        moment("created_at", default=True),
        moment("updated_at", default=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.CheckConstraint("username::text ~ '^[A-Za-z0-9_.-]{3,32}$'", name=op.f("ck_users_username")),
        sa.CheckConstraint("char_length(email::text) BETWEEN 3 AND 254", name=op.f("ck_users_email")),
        sa.CheckConstraint("roles <@ ARRAY['user', 'editor', 'admin']", name=op.f("ck_users_roles")),
    )


def create_sessions() -> None:
    op.create_table(
        "sessions",
        primary_key(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=False),
        sa.Column("refresh_seed", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False),
        moment("rotated_at", nullable=True),
        moment("expires_at"),
        moment("created_at", default=True),
        moment("ended_at", nullable=True),
        sa.Column("end_reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("refresh_token", name="uq_sessions_refresh_token"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sessions_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint("generation >= 0", name=op.f("ck_sessions_generation")),
        sa.CheckConstraint("end_reason IN ('logout', 'reuse')", name=op.f("ck_sessions_end_reason")),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_sessions_ended")),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def create_oauth_accounts() -> None:
    op.create_table(
        "oauth_accounts",
        primary_key(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_account_id", sa.Text(), nullable=False),
        sa.Column("access_token", sa.Text()),
        moment("expires_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_accounts"),
        sa.UniqueConstraint(
            "provider", "provider_account_id", name="uq_oauth_accounts_provider_provider_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_oauth_accounts_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint("provider IN ('google')", name=op.f("ck_oauth_accounts_provider")),
    )
    op.create_index("ix_oauth_accounts_user_id", "oauth_accounts", ["user_id"])


def create_signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public_jwk", JSONB(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        moment("created_at", default=True),
        moment("active_from", default=True),
        moment("retired_at", nullable=True),
        moment("expires_at", nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        sa.CheckConstraint("active_from >= created_at", name=op.f("ck_signing_keys_active_from")),
        sa.CheckConstraint("retired_at >= active_from", name=op.f("ck_signing_keys_retired_at")),
        sa.CheckConstraint("expires_at >= retired_at", name=op.f("ck_signing_keys_expires_at")),
    )


def create_audit_events() -> None:
    op.create_table(
        "audit_events",
        primary_key(),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("session_id", sa.Uuid()),
        sa.Column("event", sa.Text(), nullable=False),
        moment("at", default=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        sa.CheckConstraint(
            "event IN ('register', 'register_taken_email', 'login', 'logout', 'refresh_token_reuse')",
            name=op.f("ck_audit_events_event"),
        ),
    )
    make_append_only(["audit_events"])


def primary_key() -> sa.Column:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)


def moment(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column:
    server_default = sa.text("now()") if default else None
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=server_default, nullable=nullable)
