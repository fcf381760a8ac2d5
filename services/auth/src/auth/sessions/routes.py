"""Routes of sessions."""

from typing import TypeAlias

from fastapi import APIRouter, Request, Response

from auth.dependencies import PasswordCheckDep
from auth.errors import EmailNotVerified, KeysNotReady, LoginFailed, OriginRefused, RefreshTokenRefused
from auth.mail.dependencies import OutboxDep
from auth.second_factors.schemas import SecondFactorAsked
from auth.sessions import password_login, service
from auth.sessions.beginning import answer_login
from auth.sessions.dependencies import TokensDep
from auth.sessions.device import DeviceDep
from auth.sessions.schemas import CookieLogin, CookieTokens, LoginAnswer, RefreshTokenBody, TokenPair
from auth.sessions.transport import (
    LoginTransportDep,
    TransportParameter,
    forget_refresh_token,
    read_refresh_token,
    write_tokens,
)
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.credentials import Login
from webcommon.fast_path import fast_path
from webcommon.problems import ServiceUnavailable, problem_responses
from webcommon.throttling.dependencies import OriginDep
from webcommon.throttling.throttle import TooManyAttempts

router = APIRouter(prefix="/v1/auth", tags=["sessions"])


LoginOrSecondFactor: TypeAlias = LoginAnswer | CookieLogin | SecondFactorAsked


@router.post(
    "/login",
    operation_id="sign_in",
    response_model=LoginOrSecondFactor,
    responses=problem_responses(
        LoginFailed, EmailNotVerified, OriginRefused, TooManyAttempts, ServiceUnavailable, KeysNotReady
    ),
)
async def sign_in(
    credentials: Login,
    transport: LoginTransportDep,
    check: PasswordCheckDep,
    tokens: TokensDep,
    origin: OriginDep,
    device: DeviceDep,
) -> Response:
    """Begin a session with an e-mail address or username and a password. Where the account has a second factor, no session
    begins yet: /v1/auth/login/mfa finishes it."""
    begun = await password_login.sign_in(
        credentials, check=check, tokens=tokens, origin=origin, device=device
    )
    if isinstance(begun, SecondFactorAsked):
        return write_tokens(begun)
    response = write_tokens(await answer_login(begun, tokens=tokens), transport=transport)
    check.guard.remember_device(response, known_by=begun.known_by, origin=origin)
    return response


@router.post(
    "/refresh",
    operation_id="refresh_session",
    response_model=TokenPair | CookieTokens,
    responses=problem_responses(RefreshTokenRefused, OriginRefused, ServiceUnavailable, KeysNotReady),
)
@fast_path
async def refresh_session(
    request: Request,
    database: DatabaseDep,
    tokens: TokensDep,
    outbox: OutboxDep,
    body: RefreshTokenBody | None = None,
    transport: TransportParameter | None = None,
) -> Response:
    """A new pair for a refresh token, which is used up: again within ten seconds it gets the same successor, later it
    ends the session. A token that came in the cookie gets its successor there, and a refused one is taken away."""
    sent = read_refresh_token(request, body, transport=transport)
    try:
        pair = await service.refresh(sent.text, database=database, tokens=tokens, outbox=outbox)
    except RefreshTokenRefused:
        raise sent.refused() from None
    return write_tokens(pair, transport=sent.transport)


@router.post(
    "/logout",
    operation_id="sign_out",
    status_code=204,
    responses=problem_responses(RefreshTokenRefused, OriginRefused),
)
async def sign_out(
    request: Request,
    session: SessionDep,
    tokens: TokensDep,
    body: RefreshTokenBody | None = None,
    transport: TransportParameter | None = None,
) -> Response:
    """End the session of a refresh token, and take the cookie away if it came in that."""
    sent = read_refresh_token(request, body, transport=transport)
    try:
        await service.sign_out(sent.text, session=session, codec=tokens.refresh)
    except RefreshTokenRefused:
        raise sent.refused() from None
    response = Response(status_code=204)
    if sent.transport == "cookie":
        forget_refresh_token(response)
    return response
