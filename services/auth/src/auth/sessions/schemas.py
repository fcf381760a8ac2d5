"""Bodies of the session routes."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from auth.models.sessions import AuthenticationMethod
from auth.schemas import UserAnswer
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp


class RefreshTokenBody(RequestBody):
    """A refresh token; omitted if it is in the cookie."""

    refresh_token: Text | None = Field(None, max_length=512, repr=False, examples=["qrt1_AZqk…"])


class TokenPair(ResponseBody):
    """An access token for all services, and a refresh token for the next pair."""

    access_token: str = Field(repr=False, examples=["eyJhbGciOiJFUzI1NiIs…"])
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6749's name of a kind
    expires_in: int = Field(description="Lifetime of the access token, in seconds.", examples=[900])
    refresh_token: str = Field(
        repr=False, description="Works once; keep the newest.", examples=["qrt1_AZqk…"]
    )


class LoginAnswer(TokenPair):
    """The tokens and their account."""

    user: UserAnswer


class CookieTokens(ResponseBody):
    """An access token; the refresh token is in the cookie."""

    access_token: str = Field(repr=False, examples=["eyJhbGciOiJFUzI1NiIs…"])
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6749's name of a kind
    expires_in: int = Field(description="Lifetime of the access token, in seconds.", examples=[900])


class CookieLogin(CookieTokens):
    """The access token and its account."""

    user: UserAnswer


class SessionAnswer(ResponseBody):
    """A session, as its owner sees it."""

    id: UUID
    created_at: Timestamp
    last_used_at: Timestamp = Field(description="When it was last refreshed, or else began.")
    expires_at: Timestamp = Field(description="When it ends unless it is refreshed.")
    ip: str | None = Field(description="Network address at which it began.", examples=["192.0.2.17"])
    user_agent: str | None = Field(examples=["Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"])
    method: AuthenticationMethod = Field(description="How the user signed in.")
    current: bool = Field(description="Whether it is the session of this request.")
