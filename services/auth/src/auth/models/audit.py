"""The table of audit events."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model
from dbcommon.models import PrimaryKey, one_of

Event = Literal[
    "register",
    "register_taken_email",
    "login",
    "logout",
    "refresh_token_reuse",
    "login_failed",
    "session_ended",
    "password_changed",
    "password_reset_requested",
    "password_reset",
    "email_change_requested",
    "email_changed",
    "email_change_reverted",
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
    "recovery_codes_replaced",
    "password_voided",
    "role_granted",
    "role_revoked",
]


class AuditEvent(Model):
    """An event of an account: ids and no personal data. Append-only, and without foreign keys, so that the history outlives
    the account. `actor_id`: the account that caused it, if not the owner's."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint(one_of("event", Event), name="event"),
        Index("ix_audit_events_user_id", "user_id", "id"),
        {"info": {"append_only": True}},
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    actor_id: Mapped[UUID | None]
    event: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
