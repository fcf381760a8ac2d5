"""Routes of sessions."""

from fastapi import APIRouter, Response

from auth.dependencies import OutboxDep, PasswordCheckDep, TokensDep
from auth.errors import EmailNotVerified, KeysNotReady, LoginFailed, RefreshTokenRefused
from auth.sessions import password_login, service
from auth.sessions.device import DeviceDep
from auth.sessions.schemas import LoginAnswer, RefreshTokenBody, TokenPair
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.credentials import Login
from webcommon.problems import ServiceUnavailable, problem_responses
from webcommon.throttling.dependencies import OriginDep
from webcommon.throttling.throttle import TooManyAttempts

router = APIRouter(prefix="/v1/auth", tags=["sessions"])


@router.post(
    "/login",
    operation_id="sign_in",
    response_model=LoginAnswer,
    responses=problem_responses(
        LoginFailed, EmailNotVerified, TooManyAttempts, ServiceUnavailable, KeysNotReady
    ),
)
async def sign_in(
    credentials: Login, check: PasswordCheckDep, tokens: TokensDep, origin: OriginDep, device: DeviceDep
) -> Response:
    """Begin a session with an e-mail address or username and a password."""
    answer = await password_login.sign_in(
        credentials, check=check, tokens=tokens, origin=origin, device=device
    )
    response = write_tokens(answer)
    check.guard.remember_device(response, account=answer.user.id, origin=origin)
    return response


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
    return write_tokens(
        await service.refresh(body.refresh_token, database=database, tokens=tokens, outbox=outbox)
    )


@router.post(
    "/logout",
    operation_id="sign_out",
    status_code=204,
    responses=problem_responses(RefreshTokenRefused),
)
async def sign_out(body: RefreshTokenBody, session: SessionDep, tokens: TokensDep) -> None:
    """End the session of a refresh token."""
    await service.sign_out(body.refresh_token, session=session, codec=tokens.refresh)


def write_tokens(answer: TokenPair) -> Response:
    """The response with tokens, which nobody may store (RFC 6749, section 5.1).

    Written here rather than returned as a model: FastAPI would validate it once more, on the hottest of its routes.
    """
    return Response(
        answer.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"}
    )
