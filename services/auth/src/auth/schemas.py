"""Response bodies that several features share."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody, Timestamp


class UserAnswer(ResponseBody):
    """An account as its owner sees it."""

    id: UUID
    email: str = Field(examples=["ada@example.com"])
    username: str = Field(examples=["ada.lovelace"])
    email_verified: bool
    roles: list[str] = Field(examples=[["user"]])
    created_at: Timestamp
    updated_at: Timestamp


class RegistrationAnswer(ResponseBody):
    """An account."""

    user: UserAnswer
