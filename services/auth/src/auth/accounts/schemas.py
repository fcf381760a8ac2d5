"""Bodies of the account routes."""

from uuid import UUID

from pydantic import Field

from auth.models.audit import Event
from webcommon.accounts.credentials import Email, Password, Username
from webcommon.api.schemas import RequestBody, ResponseBody, Timestamp


class AccountPatch(RequestBody):
    """The fields to change."""

    username: Username | None = None
    email: Email | None = Field(
        None,
        description="Replaces the old address once the link that is sent to it was used. The present address withdraws a pending"
        " change.",
    )


class AccountDeletion(RequestBody):
    """The current password, which the deletion needs."""

    password: Password | None = Field(
        None, description="The current password; to be left out only if the account has none."
    )


class EventAnswer(ResponseBody):
    """An event of the account's history."""

    id: UUID
    event: Event
    session_id: UUID | None
    by_other: bool = Field(
        examples=[False],
        description="Whether an administrator or the operator did it, not the owner.",
    )
    at: Timestamp
