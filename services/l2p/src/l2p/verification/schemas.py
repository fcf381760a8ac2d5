"""Bodies of the route of verification."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody

Subject = Literal[
    "is_correct",
    "points",
    "streak",
    "score",
    "rank",
    "final_score",
    "final_correct_answers",
    "final_rank",
    "is_rated",
    "rating",
    "mu",
    "sigma",
]


class Difference(ResponseBody):
    """A number that is stored differently from what the answers give."""

    subject: Subject
    user_id: UUID | None
    order_index: int | None = Field(description="The question; null for what is of the whole game.")
    stored: float | bool | None = Field(description="Null where nothing is stored.")
    computed: float | bool | None = Field(description="Null where nothing should be stored.")


class Verification(ResponseBody):
    """Whether the stored scores, ranks and rating changes are those that the answers give."""

    game_id: UUID
    is_equal: bool = Field(examples=[True])
    difference_count: int
    differences: list[Difference] = Field(description="The first hundred.")
