"""The names of a caller's row when other rows have the same: pure rules, no database.

Auth's names are unique at any one time. So when two rows from tokens claim a name, the newer token is right (of two with
the same expiry, the later request), and the other row's name is outdated. Local accounts, which the service keeps itself,
are a separate namespace in the same table: they keep their names, and the newcomer gets a suffix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

LONGEST_USERNAME = 32


@dataclass(frozen=True, kw_only=True)
class Claims:
    """The names in a token, and its expiry."""

    id: UUID
    email: str | None
    username: str | None
    expires_at: datetime


class StoredUser(Protocol):
    """A row that has one of the names in the claims, or the caller's own. `has_username` is always false where usernames
    need not be unique."""

    @property
    def id(self) -> UUID: ...
    @property
    def email(self) -> str | None: ...
    @property
    def username(self) -> str | None: ...
    @property
    def token_expires_at(self) -> datetime | None: ...
    @property
    def is_local(self) -> bool: ...
    @property
    def has_email(self) -> bool: ...
    @property
    def has_username(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """The names to write into the caller's row, and the rows that lose theirs."""

    email: str | None
    username: str | None
    email_lost_by: UUID | None = None
    username_lost_by: UUID | None = None

    @property
    def losers(self) -> set[UUID]:
        """The other rows to change."""
        return {loser for loser in (self.email_lost_by, self.username_lost_by) if loser is not None}


def possible_usernames(claims: Claims) -> list[str]:
    """The usernames that the caller may get, best first. The suffix is derived from the id, so it is always the same."""
    if claims.username is None:
        return []
    tail = claims.id.hex
    suffixed = [
        f"{claims.username[: LONGEST_USERNAME - 1 - length]}-{tail[-length:]}" for length in (4, 8, 12)
    ]
    return [claims.username, *suffixed, tail]


def resolve_conflicts(claims: Claims, found: Sequence[StoredUser]) -> Resolution | None:
    """The change to make for these claims, given all rows of `find_conflicts`; None when nothing has to change."""
    own = next((row for row in found if row.id == claims.id), None)
    if own is not None and (own.is_local or _is_newer(own, claims)):
        return None
    others = [row for row in found if row.id != claims.id]
    email, email_lost_by = _resolve_email(claims, others, own=own)
    username, username_lost_by = _resolve_username(claims, others, own=own)
    resolution = Resolution(
        email=email, username=username, email_lost_by=email_lost_by, username_lost_by=username_lost_by
    )
    is_stored = own is not None and (own.email, own.username) == (email, username)
    return None if is_stored and not resolution.losers else resolution


def _is_newer(row: StoredUser, claims: Claims) -> bool:
    return row.token_expires_at is not None and row.token_expires_at > claims.expires_at


def _keeps_name(row: StoredUser, claims: Claims) -> bool:
    return row.is_local or _is_newer(row, claims)


def _resolve_email(
    claims: Claims, others: Sequence[StoredUser], *, own: StoredUser | None
) -> tuple[str | None, UUID | None]:
    if claims.email is None:
        return (own.email if own is not None else None), None
    holder = next((row for row in others if row.has_email), None)
    if holder is None:
        return claims.email, None
    # An address cannot have a suffix, so one row gets it and the other has none.
    return (None, None) if _keeps_name(holder, claims) else (claims.email, holder.id)


def _resolve_username(
    claims: Claims, others: Sequence[StoredUser], *, own: StoredUser | None
) -> tuple[str | None, UUID | None]:
    if claims.username is None:
        return (own.username if own is not None else None), None
    holder = next((row for row in others if row.has_username), None)
    if holder is None:
        return claims.username, None
    if not _keeps_name(holder, claims):
        return claims.username, holder.id
    held = {row.username.lower() for row in others if row.username is not None}
    return next((name for name in possible_usernames(claims)[1:] if name.lower() not in held), None), None
