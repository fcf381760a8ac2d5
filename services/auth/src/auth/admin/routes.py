"""Routes of administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from auth.admin import service
from auth.admin.errors import CannotModifySelf
from auth.admin.schemas import AdministeredUser, SessionsEnded
from auth.errors import ReauthenticationRequired, SessionEnded
from auth.mail.dependencies import OutboxDep
from auth.sessions.current_user import AdministratorDep
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, NotFound, problem_responses
from webcommon.api.schemas import Text
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep
from webcommon.auth.bearer import CallerDep

router = APIRouter(prefix="/v1/admin/users", tags=["administration"])

SearchParameter = Annotated[
    Text | None,
    Query(alias="q", min_length=1, max_length=254, description="A part of the e-mail or the username."),
]


@router.get(
    "",
    operation_id="list_users",
    response_model=Page[AdministeredUser],
    responses=problem_responses(SessionEnded, Forbidden),
)
@fast_path
async def list_users(
    caller: CallerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    search: SearchParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Accounts, the oldest first; with `q` those whose e-mail or username contains it, regardless of case."""
    return await service.list_users(
        database, caller, search=search, cursors=cursors, limit=limit, cursor=cursor
    )


@router.get(
    "/{user_id}", operation_id="read_user", responses=problem_responses(SessionEnded, Forbidden, NotFound)
)
async def read_user(
    user_id: UUID, _administrator: AdministratorDep, database: DatabaseDep
) -> AdministeredUser:
    """One account."""
    return await service.read_user(database, user_id)


@router.post(
    "/{user_id}/disable",
    operation_id="disable_user",
    responses=problem_responses(SessionEnded, Forbidden, CannotModifySelf, NotFound),
)
async def disable_user(user_id: UUID, administrator: AdministratorDep, db: SessionDep) -> AdministeredUser:
    """Disable an account. Signing in to it fails, and its sessions end at every service within five seconds."""
    return await service.set_disabled(db, user_id, disabled=True, administrator=administrator)


@router.post(
    "/{user_id}/enable",
    operation_id="enable_user",
    responses=problem_responses(SessionEnded, Forbidden, CannotModifySelf, NotFound),
)
async def enable_user(user_id: UUID, administrator: AdministratorDep, db: SessionDep) -> AdministeredUser:
    """Enable an account again. Its old sessions stay ended."""
    return await service.set_disabled(db, user_id, disabled=False, administrator=administrator)


@router.delete(
    "/{user_id}/sessions",
    operation_id="end_user_sessions",
    responses=problem_responses(SessionEnded, Forbidden, NotFound),
)
async def end_user_sessions(user_id: UUID, administrator: AdministratorDep, db: SessionDep) -> SessionsEnded:
    """End all sessions of an account."""
    ended = await service.end_all_sessions(db, user_id, administrator=administrator)
    return SessionsEnded(ended=ended)


@router.delete(
    "/{user_id}/second-factor",
    operation_id="remove_user_second_factor",
    status_code=204,
    responses=problem_responses(
        SessionEnded, Forbidden, CannotModifySelf, ReauthenticationRequired, NotFound
    ),
)
async def remove_user_second_factor(
    user_id: UUID, administrator: AdministratorDep, db: SessionDep, outbox: OutboxDep
) -> None:
    """Remove the authenticator app and the recovery codes of an account; its owner gets a mail. Sessions go on."""
    await service.remove_second_factor(db, user_id, administrator=administrator, outbox=outbox)
