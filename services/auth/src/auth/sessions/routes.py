"""Routes that refresh a session and sign out."""

from fastapi import APIRouter, Request, Response

from auth.keys.errors import KeysNotReady
from auth.mail.dependencies import OutboxDep
from auth.sessions import service
from auth.sessions.dependencies import TokensDep
from auth.sessions.errors import OriginRefused, RefreshTokenRefused
from auth.sessions.schemas import CookieTokens, RefreshTokenBody, TokenPair
from auth.sessions.transport import (
    TransportParameter,
    forget_refresh_token,
    read_refresh_token,
    write_tokens,
)
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.api.problems import ServiceUnavailable, problem_responses
from webcommon.app.fast_path import fast_path

router = APIRouter(prefix="/v1/auth", tags=["sessions"])


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
    """A new pair of tokens for a refresh token, which works once. Within ten seconds it gets the same successor again;
    later, reusing it ends the session. A token from the cookie gets its successor there; if it is refused, the cookie is
    deleted."""
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
    db: SessionDep,
    tokens: TokensDep,
    body: RefreshTokenBody | None = None,
    transport: TransportParameter | None = None,
) -> Response:
    """End the session of a refresh token, and delete the cookie if the token came in it."""
    sent = read_refresh_token(request, body, transport=transport)
    try:
        await service.sign_out(sent.text, db=db, codec=tokens.refresh)
    except RefreshTokenRefused:
        raise sent.refused() from None
    response = Response(status_code=204)
    if sent.transport == "cookie":
        forget_refresh_token(response)
    return response
