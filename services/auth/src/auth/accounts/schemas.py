"""Bodies of the account routes."""

from uuid import UUID

from pydantic import Field

from auth.models.audit import Event
from webcommon.accounts.credentials import Email, Password, Username
from webcommon.api.schemas import RequestBody, ResponseBody, Timestamp


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


class EventAnswer(ResponseBody):
    """Something that happened to the account."""

    id: UUID
    event: Event
    session_id: UUID | None
    by_other: bool = Field(
        examples=[False],
        description="Whether it was not the owner who did it, but an administrator or the operator.",
    )
    at: Timestamp
