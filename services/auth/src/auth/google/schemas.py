"""Bodies of sign-in with Google."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp


class CodeExchange(RequestBody):
    """The `code` of a sign-in."""

    code: Text = Field(max_length=256, repr=False, examples=["q3Zk…"])
    code_verifier: Text | None = Field(
        None,
        min_length=43,
        max_length=128,
        repr=False,
        description="The verifier of the sign-in's `code_challenge`, if it had one.",
    )


class LinkedAccountAnswer(ResponseBody):
    """A linked account at a provider."""

    id: UUID
    provider: str = Field(examples=["google"])
    provider_account_id: str = Field(
        description="The provider's id of it, which never changes.",
        examples=["110169484474386276334"],
    )
    created_at: Timestamp = Field(description="When it was linked.")
