"""What the application keeps for all requests, as a route asks for it."""

from typing import Annotated, Any

from fastapi import Depends
from fastapi.requests import HTTPConnection

from webcommon.paging import CursorCodec


def kept_as(name: str) -> Any:
    """The dependency on `app.state.<name>`: `HasherDep = Annotated[PasswordHasher, kept_as("hasher")]`."""

    # Asynchronous, though it waits for nothing: FastAPI would send a plain function to a thread.
    async def get_kept(connection: HTTPConnection) -> Any:
        return getattr(connection.app.state, name)

    return Depends(get_kept)


CursorsDep = Annotated[CursorCodec, kept_as("cursors")]
"""The writer and reader of this service's page cursors."""
