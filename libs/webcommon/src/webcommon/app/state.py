"""What an application keeps for all its requests, as routes ask for it: by its type."""

from typing import Annotated, Any

from fastapi import Depends
from fastapi.requests import HTTPConnection

from webcommon.api.paging import CursorCodec


def component(kind: type[object]) -> Any:
    """The dependency on the one `kind` that the application keeps: `OutboxDep = Annotated[Outbox, component(Outbox)]`."""

    # Asynchronous, though it waits for nothing: FastAPI would send a plain function to a thread.
    async def get_component(connection: HTTPConnection) -> Any:
        return connection.app.component(kind)

    return Depends(get_component)


CursorsDep = Annotated[CursorCodec, component(CursorCodec)]
"""The writer and reader of this service's page cursors."""
