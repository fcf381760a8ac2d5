"""Bodies of the player routes."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody, Timestamp


class PublicUser(ResponseBody):
    """What anybody may see of a player."""

    id: UUID
    username: str | None = Field(
        description="Null when it has gone to another account and no newer token has told the new one yet.",
        examples=["ada.lovelace"],
    )
    rating: int = Field(description="1500 at first; rises with games that are won.", examples=[1500])
    created_at: Timestamp


class OwnUser(PublicUser):
    """What a player sees of their own row."""

    email: str | None = Field(examples=["ada@example.com"])
