"""Routes of accounts."""

from fastapi import APIRouter, BackgroundTasks, Response

from auth.accounts import service
from auth.accounts.errors import UsernameTaken
from auth.accounts.schemas import AccountDeletion, AccountPatch
from auth.errors import EmailTaken, PasswordWrong, ReauthenticationRequired, SessionEnded
from auth.google.dependencies import OptionalGoogleDep
from auth.mail.dependencies import OutboxDep
from auth.passwords.errors import NoPassword
from auth.schemas import RegistrationAnswer, UserAnswer
from auth.sessions.current_user import CurrentUserDep
from auth.settings import SettingsDep
from auth.users.dependencies import HasherDep
from dbcommon.session import DatabaseDep
from webcommon.accounts.credentials import Registration
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import TooManyRequests, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.auth.bearer import CallerDep

router = APIRouter(tags=["accounts"])


@router.post(
    "/v1/auth/register",
    operation_id="register_account",
    status_code=201,
    responses=problem_responses(UsernameTaken, EmailTaken, TooManyAttempts),
)
async def register_account(
    registration: Registration,
    response: Response,
    database: DatabaseDep,
    hasher: HasherDep,
    settings: SettingsDep,
    outbox: OutboxDep,
    guard: GuardDep,
    client: ClientInfoDep,
) -> RegistrationAnswer:
    """Make an account. A taken e-mail address is answered like a new one, unless AUTH_REVEAL_TAKEN_EMAIL is set."""
    user = await service.register(
        registration,
        database=database,
        hasher=hasher,
        outbox=outbox,
        guard=guard,
        client=client,
        reveal_taken_email=settings.reveal_taken_email,
        stores_shadow_accounts=settings.stores_shadow_accounts,
    )
    response.headers["Location"] = "/v1/users/me"
    return RegistrationAnswer(user=user)


@router.get(
    "/v1/users/me",
    operation_id="read_own_account",
    response_model=UserAnswer,
    responses=problem_responses(Unauthorized, SessionEnded),
)
@fast_path
async def read_own_account(caller: CallerDep, database: DatabaseDep) -> Response:
    """The caller's account."""
    account = await service.read_own(database, user_id=caller.id, session_id=caller.session_id)
    return Response(account, media_type="application/json")


@router.patch(
    "/v1/users/me",
    operation_id="change_own_account",
    responses=problem_responses(
        SessionEnded, ReauthenticationRequired, UsernameTaken, TooManyRequests, TooManyAttempts
    ),
)
async def change_own_account(
    patch: AccountPatch,
    caller: CurrentUserDep,
    database: DatabaseDep,
    outbox: OutboxDep,
    guard: GuardDep,
    settings: SettingsDep,
) -> UserAnswer:
    """Change the caller's account. Fields that the body leaves out stay. The next access token has the new values."""
    if patch.email is not None:
        limit = settings.address_change_limit
        await service.limit_address_change(caller, guard=guard, limit=limit)
    return await service.change_own(caller, patch, database=database, outbox=outbox)


@router.delete(
    "/v1/users/me",
    operation_id="delete_own_account",
    status_code=204,
    responses=problem_responses(
        SessionEnded, NoPassword, PasswordWrong, ReauthenticationRequired, TooManyAttempts
    ),
)
async def delete_own_account(
    deletion: AccountDeletion,
    caller: CurrentUserDep,
    database: DatabaseDep,
    hasher: HasherDep,
    guard: GuardDep,
    client: ClientInfoDep,
    outbox: OutboxDep,
    google: OptionalGoogleDep,
    background: BackgroundTasks,
) -> None:
    """Delete the caller's account with its sessions and personal data, for good. The owner gets a mail."""
    tokens = await service.delete_own(
        caller,
        deletion.password,
        database=database,
        hasher=hasher,
        guard=guard,
        client=client,
        outbox=outbox,
        google=google,
    )
    if google is not None and tokens:
        # After the response, so that the caller does not wait for Google.
        background.add_task(google.revoke_tokens, tokens)
