"""Bodies of the route of guests."""

from typing import Annotated

from pydantic import AfterValidator, Field

from l2p.guests.nicknames import clean_nickname
from l2p.lobbies.schemas import Lobby
from l2p.users.schemas import PublicUser
from webcommon.api.schemas import RequestBody, ResponseBody, Text

LONGEST_NICKNAME = 32

Nickname = Annotated[
    Text, Field(min_length=1, max_length=LONGEST_NICKNAME, examples=["Ana"]), AfterValidator(clean_nickname)
]


class GuestRequest(RequestBody):
    """The name of a guest."""

    nickname: Nickname


class GuestAdmitted(ResponseBody):
    """A guest's token, which is good for this lobby only and cannot be refreshed; and the lobby, with the guest's seat."""

    access_token: str = Field(repr=False, examples=["eyJhbGciOiJFUzI1NiIs…"])
    token_type: str = Field("Bearer", examples=["Bearer"])
    expires_in: int = Field(description="Seconds.", examples=[43200])
    user: PublicUser
    lobby: Lobby
