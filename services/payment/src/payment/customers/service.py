"""A row for everybody who calls: made at the first sight of a token, and following later ones."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from dbcommon.engine import Database
from payment.customers import repository
from payment.locks import lock
from payment.rows import AnyRow
from webcommon.bearer import Caller

REMEMBERED = 10_000
"""Callers that a process remembers; the one that came first goes first."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What a token says about its user. `as_of` is the token's expiry: of two tokens the later one is right."""

    email: str | None
    name: str | None
    as_of: datetime

    def adds_to(self, stored: "Identity") -> bool:
        """Whether it says something else, and is not older."""
        return self.as_of >= stored.as_of and (self.email, self.name) != (stored.email, stored.name)


class Customers:
    """Stores callers, and remembers in the process whom it has stored, so that a known caller costs no statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[UUID, Identity] = OrderedDict()

    async def store(self, caller: Caller) -> None:
        """Make sure that the caller has a row that says what the newest of the caller's tokens says.

        Auth knows each address once. So when two rows claim one, the row with the older token tells of the past: it keeps
        its orders and loses the address.
        """
        identity = Identity(
            email=caller.email,
            name=caller.username,
            as_of=datetime.fromtimestamp(caller.expires_at, UTC),
        )
        known = self._known.get(caller.id)
        if known is None or identity.adds_to(known):
            self._remember(caller.id, await self._compare(caller.id, identity))

    def forget(self, user_id: UUID) -> None:
        """Look at the row again at the next call: it is not what was remembered."""
        self._known.pop(user_id, None)

    async def _compare(self, user_id: UUID, identity: Identity) -> Identity:
        row = await self._database.fetch_one(repository.select_identity(user_id))
        if row is not None and not identity.adds_to(_identity(row)):
            return _identity(row)
        return await self._write(user_id, identity)

    async def _write(self, user_id: UUID, identity: Identity) -> Identity:
        async with self._database.transaction() as session:
            if identity.email is not None:
                # Newcomers with one address take turns: a row that does not exist yet cannot be locked.
                await lock(session, "users.email", identity.email.lower())
            rows = await repository.lock_users(session, user_id, email=identity.email)
            stored = next(_identity(row) for row in rows if row.id == user_id)
            if not identity.adds_to(stored):
                return stored
            email = identity.email or stored.email
            for holder in (row for row in rows if row.id != user_id):
                if _identity(holder).as_of > identity.as_of:
                    email = None
                else:
                    await repository.take_email(session, holder.id)
            await repository.write_identity(
                session, user_id, email=email, name=identity.name or stored.name, as_of=identity.as_of
            )
        return identity

    def _remember(self, user_id: UUID, identity: Identity) -> None:
        self._known[user_id] = identity
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _identity(row: AnyRow) -> Identity:
    return Identity(email=row.email, name=row.name, as_of=row.identity_as_of or _NEVER)
