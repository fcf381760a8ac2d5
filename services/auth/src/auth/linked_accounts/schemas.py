"""Answers about linked accounts."""

from uuid import UUID

from pydantic import Field

from webcommon.schemas import ResponseBody, Timestamp


class LinkedAccountAnswer(ResponseBody):
    """An account elsewhere that its owner may sign in with."""

    id: UUID
    provider: str = Field(examples=["google"])
    provider_account_id: str = Field(
        description="What the provider calls it, whatever becomes of its address.",
        examples=["110169484474386276334"],
    )
    created_at: Timestamp = Field(description="When it was linked.")
