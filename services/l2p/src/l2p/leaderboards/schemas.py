"""Bodies of the route of leaderboards."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody


class ListedPlayer(ResponseBody):
    """A player on a leaderboard."""

    id: UUID
    username: str | None


class Place(ResponseBody):
    """A place on a leaderboard. Equal values share a rank: 1, 2, 2, 4."""

    rank: int = Field(examples=[1])
    value: int = Field(examples=[1500])


class ListedPlace(Place):
    """A row of a leaderboard."""

    user: ListedPlayer


class Leaderboard(ResponseBody):
    """A page of a leaderboard, the highest value first."""

    items: list[ListedPlace]
    me: Place | None = Field(description="The caller's place; null without a value.")
    next_cursor: str | None = Field(description="Pass it as `cursor` to get the next page; null on the last.")
