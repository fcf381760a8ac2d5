"""Bodies of the account routes."""

from pydantic import Field

from l2p.users.schemas import OwnUser
from webcommon.api.schemas import ResponseBody


class Registered(ResponseBody):
    """A new account."""

    user: OwnUser


class LoggedIn(ResponseBody):
    """An access token of Learn2Play. There is no refresh token: sign in again when it has expired."""

    access_token: str = Field(repr=False, examples=["eyJhbGciOiJFUzI1NiIs…"])
    token_type: str = Field("Bearer", examples=["Bearer"])
    expires_in: int = Field(description="Seconds.", examples=[14400])
    user: OwnUser
