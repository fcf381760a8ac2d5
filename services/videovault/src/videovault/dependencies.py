"""What a route asks for: a database that there is, and a caller that may."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.requests import HTTPConnection

from videovault.errors import HostNotAllowed, NoPersistence
from videovault.settings import Settings, is_loopback
from webcommon.api.problems import Forbidden
from webcommon.auth.bearer import BearerToken, Caller

EDITOR_ROLES = frozenset({"editor", "admin"})

LOCAL_OWNER = Caller(
    id=UUID(int=0),
    session_id=UUID(int=0),
    email=None,
    email_verified=False,
    username=None,
    roles=frozenset({"admin"}),
    authenticated_at=0,
    expires_at=0,
)
"""The one person of a library without tokens."""


async def require_persistence(connection: HTTPConnection) -> None:
    """Refuse what needs a database where there is none."""
    if connection.app.database is None:
        raise NoPersistence(
            "The library is kept in the browser; GET /v1/persistence says why.", retry_after=3600
        )


class LibraryToken(BearerToken):
    """The caller of an access token; the library's one person where `VIDEOVAULT_ACCESS` is `open`."""

    async def __call__(self, connection: HTTPConnection) -> Caller:
        settings: Settings = connection.app.settings
        if settings.access == "token":
            return await super().__call__(connection)
        # A site that points a name of its own at 127.0.0.1 would otherwise be of our origin to the browser.
        if not is_loopback(connection.url.hostname or ""):
            raise HostNotAllowed("Use http://localhost or http://127.0.0.1 with the port of this service.")
        return LOCAL_OWNER


read_caller = LibraryToken()

ReaderDep = Annotated[Caller, Depends(read_caller)]
"""Anybody who may look at the library; 401 without a valid token."""


async def require_editor(caller: ReaderDep) -> Caller:
    """The caller, when the library is theirs to change; 403 otherwise."""
    if EDITOR_ROLES.isdisjoint(caller.roles):
        raise Forbidden("Changing the library needs the role editor or admin.")
    return caller
