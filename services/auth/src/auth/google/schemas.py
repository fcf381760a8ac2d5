"""Bodies of the exchange."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp


class CodeExchange(RequestBody):
    """What a sign-in led back with as `code`."""

    code: Text = Field(max_length=256, repr=False, examples=["q3Zk…"])
    code_verifier: Text | None = Field(
        None,
        min_length=43,
        max_length=128,
        repr=False,
        description="The verifier of the `code_challenge` that the sign-in began with, if it began with one.",
    )


class LinkedAccountAnswer(ResponseBody):
    """An account elsewhere that its owner may sign in with."""

    id: UUID
    provider: str = Field(examples=["google"])
    provider_account_id: str = Field(
        description="What the provider calls it, whatever becomes of its address.",
        examples=["110169484474386276334"],
    )
    created_at: Timestamp = Field(description="When it was linked.")
