"""Routes of passwords."""

from fastapi import APIRouter

from auth.errors import PasswordWrong, ReauthenticationRequired, SessionEnded
from auth.mail.dependencies import OutboxDep
from auth.passwords import service
from auth.passwords.errors import NoPassword
from auth.passwords.schemas import PasswordChange
from auth.sessions.current_user import CurrentUserDep
from auth.users.dependencies import HasherDep
from dbcommon.session import DatabaseDep
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import problem_responses

router = APIRouter(prefix="/v1/auth/password", tags=["accounts"])


@router.post(
    "/change",
    operation_id="change_password",
    status_code=204,
    responses=problem_responses(
        SessionEnded, ReauthenticationRequired, NoPassword, PasswordWrong, TooManyAttempts
    ),
)
async def change_password(
    change: PasswordChange,
    caller: CurrentUserDep,
    database: DatabaseDep,
    hasher: HasherDep,
    guard: GuardDep,
    client: ClientInfoDep,
    outbox: OutboxDep,
) -> None:
    """Set another password, within ten minutes of signing in. Every other session ends."""
    await service.change_password(
        caller, change, database=database, hasher=hasher, guard=guard, client=client, outbox=outbox
    )
