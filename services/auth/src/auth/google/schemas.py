"""Bodies of the exchange."""

from pydantic import Field

from webcommon.schemas import RequestBody, Text


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
