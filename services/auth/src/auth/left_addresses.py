"""Addresses that an account has left, and may still go back to by a link: as long as it may, they are nobody else's."""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select

from auth.models import EmailToken


def can_be_taken_back(email: str) -> ColumnElement[bool]:
    """Of a row of `EmailToken`: whether it leads back to this address. The link of an account that had never proven it
    keeps nobody else from it."""
    return and_(
        EmailToken.kind == "undo_email",
        EmailToken.email == email,
        EmailToken.was_proven,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )


def former_holder(email: str) -> Select[UUID]:
    """The account that had this address until lately, and may go back to it."""
    return select(EmailToken.user_id).where(can_be_taken_back(email))
