"""Routes of sessions."""

from fastapi import APIRouter, Response

from auth.dependencies import HasherDep, OutboxDep, SettingsDep, TokensDep
from auth.errors import EmailNotVerified, KeysNotReady, LoginFailed, RefreshTokenRefused
from auth.sessions import service
from auth.sessions.device import DeviceDep
from auth.sessions.schemas import LoginAnswer, RefreshTokenBody, TokenPair
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.credentials import Login
from webcommon.problems import ServiceUnavailable, problem_responses
from webcommon.throttling.dependencies import GuardDep, OriginDep
from webcommon.throttling.throttle import TooManyAttempts

router = APIRouter(prefix="/v1/auth", tags=["sessions"])


@router.post(
    "/login",
    operation_id="sign_in",
    responses=problem_responses(
        LoginFailed, EmailNotVerified, TooManyAttempts, ServiceUnavailable, KeysNotReady
    ),
)
async def sign_in(
    credentials: Login,
    response: Response,
    database: DatabaseDep,
    hasher: HasherDep,
    tokens: TokensDep,
    guard: GuardDep,
    origin: OriginDep,
    settings: SettingsDep,
    device: DeviceDep,
) -> LoginAnswer:
    """Begin a session with an e-mail address or username and a password."""
    answer = await service.sign_in(
        credentials,
        database=database,
        hasher=hasher,
        tokens=tokens,
        guard=guard,
        origin=origin,
        require_verified_email=settings.require_verified_email,
        device=device,
    )
    guard.remember_device(response, account=answer.user.id, origin=origin)
    _forbid_storing(response)
    return answer


@router.post(
    "/refresh",
    operation_id="refresh_session",
    response_model=TokenPair,
    responses=problem_responses(RefreshTokenRefused, ServiceUnavailable, KeysNotReady),
)
async def refresh_session(
    body: RefreshTokenBody, database: DatabaseDep, tokens: TokensDep, outbox: OutboxDep
) -> Response:
    """A new pair for a refresh token, which is used up: again within ten seconds it gets the same successor, later it
    ends the session."""
    pair = await service.refresh(body.refresh_token, database=database, tokens=tokens, outbox=outbox)
    # Written here: this is the hottest of the routes that FastAPI serves, and it would validate the pair once more.
    response = Response(pair.model_dump_json(), media_type="application/json")
    _forbid_storing(response)
    return response


@router.post(
    "/logout",
    operation_id="sign_out",
    status_code=204,
    responses=problem_responses(RefreshTokenRefused),
)
async def sign_out(body: RefreshTokenBody, session: SessionDep, tokens: TokensDep) -> None:
    """End the session of a refresh token."""
    await service.sign_out(body.refresh_token, session=session, codec=tokens.refresh)


def _forbid_storing(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
