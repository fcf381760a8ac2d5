"""Bodies of the route that takes answers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import RequestBody, ResponseBody, Text

AnswerText = Annotated[Text, Field(max_length=300, description="One of the options.", examples=["Jupiter"])]


class AnswerRequest(RequestBody):
    """An answer to the open question."""

    question_id: UUID
    answer: AnswerText


class AnswerAccepted(ResponseBody):
    """The answer is stored, and counts."""

    accepted: Literal[True] = True
    time_taken_ms: int = Field(
        description="From the question's opens_at, by the server's clock.", examples=[2000]
    )
