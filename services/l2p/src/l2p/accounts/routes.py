"""`/v1/auth`: accounts of Learn2Play."""

from fastapi import APIRouter, Response

from dbcommon.session import DatabaseDep
from l2p.accounts import service
from l2p.accounts.errors import EmailTaken, LoginFailed, UsernameTaken
from l2p.accounts.schemas import LoggedIn, Registered
from l2p.dependencies import HasherDep, SettingsDep, SignerDep
from webcommon.accounts.credentials import Login, Registration
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import problem_responses

router = APIRouter(prefix="/v1/auth", tags=["accounts"])


@router.post(
    "/register",
    operation_id="register_account",
    summary="Register an account",
    status_code=201,
    responses=problem_responses(UsernameTaken, EmailTaken, TooManyAttempts),
)
async def register_account(
    body: Registration,
    response: Response,
    database: DatabaseDep,
    hasher: HasherDep,
    settings: SettingsDep,
    guard: GuardDep,
    client: ClientInfoDep,
) -> Registered:
    """Create an account of Learn2Play. Users of Auth need none.

    A taken e-mail address gets the response of a free one, unless `L2P_REVEAL_TAKEN_EMAIL` is set.
    """
    user = await service.register(
        database,
        body,
        hasher=hasher,
        guard=guard,
        client=client,
        reveal_taken_email=settings.reveal_taken_email,
    )
    response.headers["Location"] = f"/v1/users/{user.id}"
    return Registered(user=user)


@router.post(
    "/login",
    operation_id="log_in",
    summary="Sign in",
    responses=problem_responses(LoginFailed, TooManyAttempts),
)
async def log_in(
    body: Login,
    response: Response,
    database: DatabaseDep,
    hasher: HasherDep,
    signer: SignerDep,
    guard: GuardDep,
    client: ClientInfoDep,
) -> LoggedIn:
    """Get an access token for an account of Learn2Play. Other services do not accept it."""
    answer = await service.log_in(database, body, hasher=hasher, signer=signer, guard=guard, client=client)
    guard.remember_device(response, device_binding=answer.user.id.bytes, client=client)
    return answer
