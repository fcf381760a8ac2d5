"""The history of an account, for its owner."""

from typing import Any

from fastapi import APIRouter

from auth.audit.repository import find_events
from auth.audit.schemas import EventAnswer
from auth.errors import SessionEnded
from auth.sessions.live_caller import LiveCallerDep
from dbcommon.session import DatabaseDep
from webcommon.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.problems import problem_responses
from webcommon.state import CursorsDep

router = APIRouter(tags=["accounts"])

_SCOPE = "own events"


@router.get("/v1/users/me/events", operation_id="list_own_events", responses=problem_responses(SessionEnded))
async def list_own_events(
    caller: LiveCallerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[EventAnswer]:
    """What happened to the caller's account, the newest first."""
    after = cursors.decode(_SCOPE, cursor)
    rows = await find_events(database, caller.id, before=after[0] if after else None, limit=limit + 1)

    def key(row: Any) -> list[Any]:
        return [row.id]

    return cursors.page(rows, limit=limit, scope=_SCOPE, item=EventAnswer.model_validate, key=key)
