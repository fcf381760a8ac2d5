"""Columns of accounts, sessions and second factors are named as in the code: shadow accounts, counters, `amr`."""

from alembic import op

revision = "account_and_session_names"
down_revision = "mail_names"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("sessions", "generation", "refresh_token_counter"),
    ("sessions", "refresh_seed", "refresh_token_hmac_key"),
    ("sessions", "method", "amr"),
    ("login_challenges", "method", "amr"),
    ("totp_secrets", "in_doubt", "needs_reverification"),
    ("users", "withheld_from", "shadow_of"),
    ("users", "withheld_email", "shadow_email"),
)
_CONSTRAINTS = (
    ("sessions", "ck_sessions_generation", "ck_sessions_refresh_token_counter"),
    ("sessions", "ck_sessions_method", "ck_sessions_amr"),
    ("login_challenges", "ck_login_challenges_method", "ck_login_challenges_amr"),
    ("users", "ck_users_withheld", "ck_users_shadow"),
    ("users", "fk_users_withheld_from_users", "fk_users_shadow_of_users"),
)
_INDEXES = (
    ("ix_users_withheld_from", "ix_users_shadow_of"),
    ("ix_users_withheld_email", "ix_users_shadow_email"),
)


def upgrade() -> None:
    for table, old, new in _COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for table, old, new in _CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
    for old, new in _INDEXES:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")


def downgrade() -> None:
    for old, new in _INDEXES:
        op.execute(f"ALTER INDEX {new} RENAME TO {old}")
    for table, old, new in _CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {new} TO {old}")
    for table, old, new in _COLUMNS:
        op.alter_column(table, new, new_column_name=old)
