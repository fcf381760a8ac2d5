"""Bodies of the account routes."""

from uuid import UUID

from pydantic import Field

from webcommon.credentials import Email, Password, Username
from webcommon.schemas import RequestBody, ResponseBody, Timestamp


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
    """The account that was made."""

    user: UserAnswer


class AccountPatch(RequestBody):
    """What is to be different; what is left out stays."""

    username: Username | None = None
    email: Email | None = Field(
        None,
        description="Replaces the old address once the link that is sent to it was used. The address that the account has"
        " withdraws a change that waits.",
    )


class AccountDeletion(RequestBody):
    """The proof that it is the owner who deletes the account."""

    password: Password | None = Field(
        None, description="The current password; only an account that has none may leave it out."
    )
