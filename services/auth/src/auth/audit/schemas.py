"""Bodies of the history's route."""

from uuid import UUID

from pydantic import Field

from auth.audit.repository import Event
from webcommon.schemas import ResponseBody, Timestamp


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
