"""Bodies of the player routes."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody, Timestamp


class PublicUser(ResponseBody):
    """The part of a player's row that others may see."""

    id: UUID
    username: str | None = Field(
        description="Null when it belongs to another account now, and this player's new one is not known yet.",
        examples=["ada.lovelace"],
    )
    rating: int = Field(description="1500 at first.", examples=[1500])
    created_at: Timestamp


class OwnUser(PublicUser):
    """A player's own row."""

    email: str | None = Field(examples=["ada@example.com"])
