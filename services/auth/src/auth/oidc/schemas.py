"""Bodies of the OpenID Connect routes. Members are named by their RFCs."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody


class OAuthError(ResponseBody):
    """An error (RFC 6749, section 5.2)."""

    error: str = Field(examples=["invalid_grant"])
    error_description: str


class ClientTokens(ResponseBody):
    """The tokens of a client's session (RFC 6749, section 5.1; OpenID Connect Core, 3.1.3.3)."""

    access_token: str = Field(repr=False, examples=["eyJhbGciOiJFUzI1NiIs…"])
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6749's name of a kind
    expires_in: int = Field(description="Lifetime of the access token, in seconds.", examples=[900])
    refresh_token: str = Field(repr=False, description="Works once; keep the newest.")
    scope: str = Field(examples=["openid profile email"])
    id_token: str | None = Field(None, repr=False, description="With the scope openid.")


class UserInfo(ResponseBody):
    """Claims of the account, limited by the scope (OpenID Connect Core, 5.1)."""

    sub: UUID
    preferred_username: str | None = Field(None, examples=["ada.lovelace"])
    updated_at: int | None = Field(None, description="Unix seconds.")
    email: str | None = Field(None, examples=["ada@example.com"])
    email_verified: bool | None = None


class Introspection(ResponseBody):
    """The state of a token (RFC 7662, section 2.2). An inactive one has no other members."""

    active: bool = Field(examples=[True])
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    token_type: str | None = Field(None, description="`Bearer` for an access token.")
    exp: int | None = None
    iat: int | None = None
    nbf: int | None = None
    sub: str | None = None
    aud: str | None = None
    iss: str | None = None
    jti: str | None = None
    sid: str | None = None
