"""The dependencies of routes: a database, and a caller with the role that is needed."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.requests import HTTPConnection

from videovault.errors import HostNotAllowed, NoPersistence
from videovault.settings import Settings, is_loopback
from webcommon.api.problems import Forbidden
from webcommon.app.state import component
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
"""The caller of every request where `VIDEOVAULT_ACCESS` is `open`."""


async def require_persistence(connection: HTTPConnection) -> None:
    """Raises `NoPersistence` without a database."""
    if connection.app.database is None:
        raise NoPersistence(
            "The library is kept in the browser; GET /v1/persistence says why.", retry_after=3600
        )


class LibraryToken(BearerToken):
    """The caller of an access token; `LOCAL_OWNER` where `VIDEOVAULT_ACCESS` is `open`."""

    async def __call__(self, connection: HTTPConnection) -> Caller:
        settings: Settings = connection.app.settings
        if settings.access == "token":
            return await super().__call__(connection)
        # Against DNS rebinding: a name that another site points at 127.0.0.1 would be of the same origin in the browser.
        if not is_loopback(connection.url.hostname or ""):
            raise HostNotAllowed("Use http://localhost or http://127.0.0.1 with the port of this service.")
        return LOCAL_OWNER


read_caller = LibraryToken()

ReaderDep = Annotated[Caller, Depends(read_caller)]
"""A caller, who may read the library; 401 without a valid token."""


def refuse_readers(caller: Caller) -> None:
    """Raises `Forbidden` without the role editor or admin."""
    if EDITOR_ROLES.isdisjoint(caller.roles):
        raise Forbidden("Changing the library requires the role editor or admin.")


async def require_editor(caller: ReaderDep) -> Caller:
    """A caller who may change the library; 403 without the role editor or admin."""
    refuse_readers(caller)
    return caller


EditorDep = Annotated[Caller, Depends(require_editor)]
"""A caller who may change the library."""

SettingsDep = Annotated[Settings, component(Settings)]
"""The service's settings."""
