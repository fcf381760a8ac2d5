"""How a refresh token travels: in a body, or in a cookie that scripts cannot read (`HttpOnly`).

A browser sends the cookie whichever page makes the request, so the `Origin` has to be the service's own or one of
`AUTH_CORS_ORIGINS`. From pages of other sites the browser never sends it (`SameSite=Strict`).
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from auth.sessions.errors import OriginRefused, RefreshTokenRefused
from auth.sessions.repository import IDLE_LIFETIME
from auth.sessions.schemas import RefreshTokenBody
from auth.web.origins import may_use_cookies
from webcommon.api.problems import InvalidRequest

Transport = Literal["body", "cookie"]

COOKIE = "__Host-quartet_refresh"

TransportParameter = Annotated[
    Transport,
    Query(
        description="`cookie`: the refresh token is in a cookie (`HttpOnly`, `SameSite=Strict`) instead of the body, for"
        " pages of AUTH_CORS_ORIGINS and of this service."
    ),
]


async def get_login_transport(request: Request, transport: TransportParameter = "body") -> Transport:
    """The transport that a sign-in asks for. Raises `OriginRefused` for a page that may not have the cookie."""
    if transport == "cookie" and "origin" in request.headers:
        _check_origin(request)
    return transport


LoginTransportDep = Annotated[Transport, Depends(get_login_transport)]


@dataclass(frozen=True, kw_only=True)
class SentToken:
    """A refresh token as it was sent."""

    text: str = field(repr=False)
    transport: Transport

    def refused(self) -> RefreshTokenRefused:
        """The refusal, which deletes the cookie if the token came in it."""
        problem = RefreshTokenRefused()
        if self.transport == "cookie":
            response = Response()
            forget_refresh_token(response)
            problem.headers["Set-Cookie"] = response.headers["Set-Cookie"]
        return problem


def read_refresh_token(
    request: Request, body: RefreshTokenBody | None, *, transport: Transport | None
) -> SentToken:
    """The token from the body, or else from the cookie. Raises `OriginRefused`, and `InvalidRequest` if there is neither."""
    if transport != "cookie" and body is not None and body.refresh_token is not None:
        return SentToken(text=body.refresh_token, transport="body")
    cookie = request.cookies.get(COOKIE)
    if transport == "body" or (transport is None and cookie is None):
        raise InvalidRequest("Send a refresh token.", pointer="#/refresh_token")
    _check_origin(request)
    return SentToken(text=cookie or "", transport="cookie")


def write_tokens(answer: BaseModel, *, transport: Transport = "body") -> Response:
    """The response with tokens; `no-store` (RFC 6749, section 5.1).

    Serialised here, since FastAPI would validate a returned model once more, on the busiest route.
    """
    refresh_token = getattr(answer, "refresh_token", None) if transport == "cookie" else None
    response = Response(
        answer.model_dump_json(exclude=None if refresh_token is None else {"refresh_token"}),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
    if refresh_token is not None:
        # Each refresh sets it anew, so it lives as long as an unused session.
        _set(response, refresh_token, seconds=int(IDLE_LIFETIME.total_seconds()))
    return response


def forget_refresh_token(response: Response) -> None:
    """Delete the cookie."""
    _set(response, "", seconds=0)


def _set(response: Response, value: str, *, seconds: int) -> None:
    response.set_cookie(
        COOKIE, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict"
    )


def _check_origin(request: Request) -> None:
    if not may_use_cookies(request, settings=request.app.settings):
        raise OriginRefused
