"""Dependencies on an application's components, by their type."""

from typing import Annotated, Any

from fastapi import Depends
from fastapi.requests import HTTPConnection

from webcommon.api.paging import CursorCodec


def component(kind: type[object]) -> Any:
    """The dependency on a component: `OutboxDep = Annotated[Outbox, component(Outbox)]`."""

    # Asynchronous although it awaits nothing, since FastAPI would run a plain function on a thread.
    async def get_component(connection: HTTPConnection) -> Any:
        return connection.app.component(kind)

    return Depends(get_component)


CursorsDep = Annotated[CursorCodec, component(CursorCodec)]
"""The codec of this service's page cursors."""
