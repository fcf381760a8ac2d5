"""Routes of linked accounts."""

from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Response

from auth.errors import LastSignInMethod, ReauthenticationRequired, SessionEnded
from auth.google import linked_accounts as service
from auth.google.dependencies import OptionalGoogleDep
from auth.google.schemas import LinkedAccountAnswer
from auth.mail.dependencies import OutboxDep
from auth.sessions.current_user import CurrentUserDep
from dbcommon.session import DatabaseDep
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import NotFound, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep
from webcommon.auth.bearer import CallerDep

router = APIRouter(prefix="/v1/oauth/accounts", tags=["Google"])


@router.get(
    "",
    operation_id="list_linked_accounts",
    response_model=Page[LinkedAccountAnswer],
    responses=problem_responses(SessionEnded),
)
@fast_path
async def list_linked_accounts(
    caller: CallerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """The caller's linked accounts, the newest first."""
    return await service.list_linked(database, caller, cursors=cursors, limit=limit, cursor=cursor)


@router.delete(
    "/{link_id}",
    operation_id="unlink_account",
    status_code=204,
    responses=problem_responses(SessionEnded, ReauthenticationRequired, NotFound, LastSignInMethod),
)
async def unlink_account(
    link_id: UUID,
    caller: CurrentUserDep,
    database: DatabaseDep,
    outbox: OutboxDep,
    google: OptionalGoogleDep,
    background: BackgroundTasks,
) -> None:
    """Unlink an account, within ten minutes of signing in. The last sign-in method cannot be removed. Sessions go on."""
    token = await service.unlink(caller, link_id, database=database, outbox=outbox, google=google)
    if google is not None and token is not None:
        # After the response, so that the caller does not wait for Google.
        background.add_task(google.provider.revoke, token)
