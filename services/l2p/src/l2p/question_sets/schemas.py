"""Bodies of the routes of question sets."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from l2p.names import require_name
from l2p.question_sets.limits import (
    DEFAULT_POINTS,
    LONGEST_EXPLANATION,
    LONGEST_MS,
    LONGEST_OPTION,
    LONGEST_QUESTION,
    LONGEST_TITLE,
    MAXIMUM_OPTIONS,
    MAXIMUM_POINTS,
    MAXIMUM_QUESTIONS,
    MINIMUM_OPTIONS,
    SHORTEST_MS,
)
from l2p.question_sets.texts import comparable
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp


def _refuse_equal(options: list[str]) -> list[str]:
    if len(set(map(comparable, options))) != len(options):
        raise ValueError("holds an option twice")
    return options


def _refuse_blank(text: str) -> str:
    if not comparable(text):
        raise ValueError("is blank")
    return text


Option = Annotated[
    Text,
    Field(min_length=1, max_length=LONGEST_OPTION, examples=["Jupiter"]),
    AfterValidator(_refuse_blank),
]

Title = Annotated[
    Text,
    Field(min_length=1, max_length=LONGEST_TITLE, examples=["Planets"]),
    AfterValidator(require_name),
]

Flag = Annotated[bool, Field(strict=True)]


class QuestionRequest(RequestBody):
    """A question with its options."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "question_text": "Which planet is the largest?",
                    "options": ["Mars", "Jupiter"],
                    "correct_answer": "Jupiter",
                }
            ]
        }
    )

    question_text: Annotated[
        Text, Field(min_length=1, max_length=LONGEST_QUESTION), AfterValidator(_refuse_blank)
    ]
    options: Annotated[
        list[Option],
        Field(min_length=MINIMUM_OPTIONS, max_length=MAXIMUM_OPTIONS),
        AfterValidator(_refuse_equal),
    ]
    correct_answer: Text = Field(max_length=LONGEST_OPTION, description="One of the options.")
    points: int = Field(
        DEFAULT_POINTS, strict=True, ge=0, le=MAXIMUM_POINTS, description="For a right answer at once."
    )
    time_limit_ms: int | None = Field(
        None, strict=True, ge=SHORTEST_MS, le=LONGEST_MS, description="The lobby's when null."
    )
    explanation: Text | None = Field(
        None, max_length=LONGEST_EXPLANATION, description="Shown with the right answer."
    )

    @model_validator(mode="after")
    def _check_answer(self) -> Self:
        if self.correct_answer not in self.options:
            raise ValueError("correct_answer is not one of the options")
        return self


class QuestionSetRequest(RequestBody):
    """A set to be created, or to take another's place."""

    title: Title
    is_public: Flag = Field(False, description="Others see the questions, and start games from them.")
    allow_copy: Flag = Field(
        False, description="Others may copy the set while it is public, with its right answers."
    )
    questions: Annotated[list[QuestionRequest], Field(min_length=1, max_length=MAXIMUM_QUESTIONS)]


class QuestionSetSummary(ResponseBody):
    """A set as lists show it."""

    id: UUID
    owner_id: UUID
    title: str = Field(examples=["Planets"])
    is_public: bool
    allow_copy: bool
    question_count: int = Field(examples=[10])
    created_at: Timestamp
    updated_at: Timestamp


class SetQuestion(ResponseBody):
    """A question of a set. `correct_answer` and `explanation` are for the set's owner: for others there are no such
    members."""

    question_text: str
    options: list[str]
    correct_answer: str = ""
    points: int
    time_limit_ms: int | None
    explanation: str | None = None


class QuestionSet(QuestionSetSummary):
    """A set with its questions in their order."""

    questions: list[SetQuestion]


class ExportedSet(ResponseBody):
    """A set as a file, which an import takes as it is."""

    format: str = Field(examples=["quartet.question-set.v1"])
    title: str
    is_public: bool
    allow_copy: bool
    questions: list[SetQuestion]


class RowWarning(ResponseBody):
    """What was changed, left out or doubtful in a row of a file."""

    row: int | None = Field(
        description="As a spreadsheet counts; in JSON the first question is 1. Null for the whole file."
    )
    detail: str


class ImportResult(ResponseBody):
    """What an import stored."""

    id: UUID
    imported: int = Field(description="Questions that were stored.", examples=[10])
    skipped: int = Field(description="Rows that were left out since they were at fault.")
    warnings: list[RowWarning]
