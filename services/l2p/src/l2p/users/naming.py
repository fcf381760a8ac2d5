"""Which names a caller's row gets when others have the same: pure rules, no database.

Auth's names are unique at any one time. So when two rows that came with tokens claim a name, the claim of the newer
token is right and the other one is out of date. Accounts of Learn2Play itself live in a namespace of their own that
happens to share the table: they keep their names, and it is the newcomer who gets a suffix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

LONGEST_USERNAME = 32


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a token says of its bearer, and when it expires."""

    id: UUID
    email: str | None
    username: str | None
    expires_at: datetime


class Known(Protocol):
    """A row that the claims concern."""

    @property
    def id(self) -> UUID: ...
    @property
    def email(self) -> str | None: ...
    @property
    def username(self) -> str | None: ...
    @property
    def token_expires_at(self) -> datetime | None: ...
    @property
    def is_own_account(self) -> bool: ...
    @property
    def has_email(self) -> bool: ...
    @property
    def has_username(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """The names that the caller's row shall have, and the rows that lose theirs to it."""

    email: str | None
    username: str | None
    email_lost_by: UUID | None = None
    username_lost_by: UUID | None = None

    @property
    def takes_names(self) -> bool:
        """Whether another row is changed too."""
        return self.email_lost_by is not None or self.username_lost_by is not None


def possible_names(claims: Claims) -> list[str]:
    """The usernames that the caller may get, best first. The suffix comes from the id: the same at every sight."""
    if claims.username is None:
        return []
    tail = claims.id.hex
    suffixed = [
        f"{claims.username[: LONGEST_USERNAME - 1 - length]}-{tail[-length:]}" for length in (4, 8, 12)
    ]
    return [claims.username, *suffixed, tail]


def settle(claims: Claims, known: Sequence[Known]) -> Settlement | None:
    """What to write for these claims, given every row that they concern; None when all is as it should be."""
    own = next((row for row in known if row.id == claims.id), None)
    if own is not None and (own.is_own_account or _is_newer(own, claims)):
        return None
    others = [row for row in known if row.id != claims.id]
    email, email_lost_by = _settle_email(claims, others, own=own)
    username, username_lost_by = _settle_username(claims, others, own=own)
    settlement = Settlement(
        email=email, username=username, email_lost_by=email_lost_by, username_lost_by=username_lost_by
    )
    is_settled = own is not None and (own.email, own.username) == (email, username)
    return None if is_settled and not settlement.takes_names else settlement


def _is_newer(row: Known, claims: Claims) -> bool:
    return row.token_expires_at is not None and row.token_expires_at > claims.expires_at


def _keeps_name(row: Known, claims: Claims) -> bool:
    return row.is_own_account or _is_newer(row, claims)


def _settle_email(
    claims: Claims, others: Sequence[Known], *, own: Known | None
) -> tuple[str | None, UUID | None]:
    if claims.email is None:
        return (own.email if own is not None else None), None
    holder = next((row for row in others if row.has_email), None)
    if holder is None:
        return claims.email, None
    # An address cannot be suffixed: it goes to the one or the other.
    return (None, None) if _keeps_name(holder, claims) else (claims.email, holder.id)


def _settle_username(
    claims: Claims, others: Sequence[Known], *, own: Known | None
) -> tuple[str | None, UUID | None]:
    if claims.username is None:
        return (own.username if own is not None else None), None
    holder = next((row for row in others if row.has_username), None)
    if holder is None:
        return claims.username, None
    if not _keeps_name(holder, claims):
        return claims.username, holder.id
    held = {row.username.lower() for row in others if row.username is not None}
    return next((name for name in possible_names(claims)[1:] if name.lower() not in held), None), None
