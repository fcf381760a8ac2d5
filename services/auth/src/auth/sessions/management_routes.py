"""Routes of the current user's sessions."""

from uuid import UUID

from fastapi import APIRouter, Response

from auth.errors import SessionEnded
from auth.sessions import management as service
from auth.sessions.current_user import CurrentUserDep
from auth.sessions.schemas import SessionAnswer
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import NotFound, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep
from webcommon.auth.bearer import CallerDep

router = APIRouter(prefix="/v1/auth/sessions", tags=["sessions"])


@router.get(
    "",
    operation_id="list_own_sessions",
    response_model=Page[SessionAnswer],
    responses=problem_responses(SessionEnded),
)
@fast_path
async def list_own_sessions(
    caller: CallerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """The caller's live sessions, newest first."""
    return await service.list_sessions(database, caller, cursors=cursors, limit=limit, cursor=cursor)


@router.delete(
    "/{session_id}",
    operation_id="end_own_session",
    status_code=204,
    responses=problem_responses(SessionEnded, NotFound),
)
async def end_own_session(session_id: UUID, caller: CurrentUserDep, db: SessionDep) -> None:
    """End one of the caller's sessions; every service refuses its tokens within five seconds."""
    await service.end_session(db, caller, session_id)


@router.delete(
    "", operation_id="end_other_sessions", status_code=204, responses=problem_responses(SessionEnded)
)
async def end_other_sessions(caller: CurrentUserDep, db: SessionDep) -> None:
    """End all of the caller's sessions but the current one."""
    await service.end_other_sessions(db, caller)
