"""Session details: where a session began and how, why it ended, which sessions ended lately; keys that are due."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INET, TIMESTAMP

revision = "session_details"
down_revision = "auth_0001_first_tables"
branch_labels = None
depends_on = None

FIRST_REASONS = ("logout", "reuse")
REASONS = (
    *FIRST_REASONS,
    "ended",
    "password_changed",
    "password_reset",
    "email_changed",
    "account_disabled",
    "account_linked",
    "administrator",
)
FIRST_EVENTS = ("register", "register_taken_email", "login", "logout", "refresh_token_reuse")
EVENTS = (
    *FIRST_EVENTS,
    "login_failed",
    "session_ended",
    "password_changed",
    "password_reset_requested",
    "password_reset",
    "email_change_requested",
    "email_changed",
    "email_change_undone",
    "email_verified",
    "username_changed",
    "account_disabled",
    "account_enabled",
    "account_deleted",
    "mfa_enabled",
    "mfa_disabled",
    "recovery_code_used",
    "passkey_added",
    "passkey_removed",
    "oauth_linked",
    "oauth_unlinked",
    "keys_rotated",
)


def upgrade() -> None:
    op.add_column("sessions", sa.Column("ip", INET()))
    op.add_column("sessions", sa.Column("user_agent", sa.Text()))
    op.add_column(
        "sessions", sa.Column("method", sa.Text(), server_default=sa.text("'password'"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_sessions_method"), "sessions", "method IN ('password', 'google', 'passkey')"
    )
    op.create_check_constraint(op.f("ck_sessions_user_agent"), "sessions", "char_length(user_agent) <= 512")
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index(
        "ix_sessions_ended_at", "sessions", ["ended_at"], postgresql_where=sa.text("ended_at IS NOT NULL")
    )
    replace_check("sessions", "end_reason", REASONS)
    replace_check("audit_events", "event", EVENTS)
    op.add_column("audit_events", sa.Column("actor_id", sa.Uuid()))
    op.create_index("ix_audit_events_user_id", "audit_events", ["user_id", "id"])
    op.add_column("signing_keys", sa.Column("rotate_at", TIMESTAMP(timezone=True)))
    create_revocations()


def downgrade() -> None:
    op.execute("DROP TRIGGER note_deleted_session ON sessions")
    op.execute("DROP TRIGGER note_ended_session ON sessions")
    op.execute("DROP FUNCTION note_ended_session()")
    op.drop_table("revocations")
    op.drop_column("signing_keys", "rotate_at")
    op.drop_index("ix_audit_events_user_id", "audit_events")
    op.drop_column("audit_events", "actor_id")
    op.execute(
        sa.text("DELETE FROM audit_events WHERE event <> ALL(:kept)").bindparams(
            sa.bindparam("kept", list(FIRST_EVENTS), sa.ARRAY(sa.Text))
        )
    )
    op.execute(
        sa.text("UPDATE sessions SET end_reason = 'logout' WHERE end_reason <> ALL(:kept)").bindparams(
            sa.bindparam("kept", list(FIRST_REASONS), sa.ARRAY(sa.Text))
        )
    )
    replace_check("audit_events", "event", FIRST_EVENTS)
    replace_check("sessions", "end_reason", FIRST_REASONS)
    op.drop_index("ix_sessions_ended_at", "sessions")
    op.drop_index("ix_sessions_expires_at", "sessions")
    for column in ("method", "user_agent", "ip"):
        op.drop_column("sessions", column)


def create_revocations() -> None:
    op.create_table(
        "revocations",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_revocations"),
    )
    op.create_index("ix_revocations_ended_at", "revocations", ["ended_at"])
    # By the database itself, so that no way of ending a session (a deleted account takes its sessions along) is forgotten.
    op.execute(
        """
        CREATE FUNCTION note_ended_session() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO revocations (session_id, ended_at) VALUES (OLD.id, clock_timestamp())
            ON CONFLICT (session_id) DO NOTHING;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER note_ended_session AFTER UPDATE OF ended_at ON sessions FOR EACH ROW
        WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION note_ended_session()
        """
    )
    op.execute(
        """
        CREATE TRIGGER note_deleted_session AFTER DELETE ON sessions FOR EACH ROW
        WHEN (OLD.ended_at IS NULL) EXECUTE FUNCTION note_ended_session()
        """
    )


def replace_check(table: str, column: str, values: tuple[str, ...]) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{column}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, f"{column} IN {spell(values)}")


def spell(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"
