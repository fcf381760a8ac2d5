"""Routes of an account's history."""

from fastapi import APIRouter, Response

from auth.accounts import service
from auth.accounts.schemas import EventAnswer
from auth.errors import SessionEnded
from dbcommon.session import DatabaseDep
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep
from webcommon.auth.bearer import CallerDep

router = APIRouter(tags=["accounts"])


@router.get(
    "/v1/users/me/events",
    operation_id="list_own_events",
    response_model=Page[EventAnswer],
    responses=problem_responses(SessionEnded),
)
@fast_path
async def list_own_events(
    caller: CallerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """The events of the caller's account, the newest first."""
    return await service.list_own_events(database, caller, cursors=cursors, limit=limit, cursor=cursor)
