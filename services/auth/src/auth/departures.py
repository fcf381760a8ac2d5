"""Addresses that an account left and can still take back: until then they are nobody else's."""

from uuid import UUID

from sqlalchemy import Select, func, select

from auth.models import EmailToken


def can_be_taken_back(email: str) -> Select[UUID]:
    """The account that had this address until lately, and may go back to it by a link. One that had never proven it keeps
    nobody else from it."""
    return select(EmailToken.user_id).where(
        EmailToken.kind == "undo_email",
        EmailToken.email == email,
        EmailToken.was_proven,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )
