"""A row of a file, and the question that is made of it. The same rules as `QuestionRequest`, with every fault of a row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from l2p.question_sets.limits import (
    DEFAULT_POINTS,
    LONGEST_EXPLANATION,
    LONGEST_MS,
    LONGEST_OPTION,
    LONGEST_QUESTION,
    MAXIMUM_OPTIONS,
    MAXIMUM_POINTS,
    MINIMUM_OPTIONS,
    SHORTEST_MS,
)
from l2p.question_sets.texts import comparable

Question = dict[str, Any]
"""A question as it is stored."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """What is to be said about a row of a file; without `row`, about all of it."""

    row: int | None
    detail: str
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.column}: {self.detail}" if self.column else self.detail


class FileRefused(Exception):
    """Nothing of the file can be imported; `faults` say why."""

    def __init__(self, *faults: Note) -> None:
        super().__init__(*map(str, faults))
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A text of a row, and the name of its column."""

    column: str
    text: str


@dataclass(kw_only=True)
class Row:
    """What a format found in a row. `faults` and `warnings` grow while it is read and checked."""

    number: int
    question_text: str = ""
    options: Sequence[Cell] = ()
    right_answers: Sequence[str] = ()
    points: Any = None
    time_limit_ms: Any = None
    explanation: str | None = None
    faults: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)

    def fault(self, column: str, detail: str) -> None:
        """Note why the row cannot be imported."""
        self.faults.append(Note(row=self.number, column=column, detail=detail))

    def warn(self, column: str, detail: str) -> None:
        """Note what was changed or left out."""
        self.warnings.append(Note(row=self.number, column=column, detail=detail))


def make_question(row: Row) -> Question:
    """The question of a row. It is one only if the row has no faults afterwards."""
    _check_length(row, "question_text", row.question_text, most=LONGEST_QUESTION)
    _check_options(row)
    _check_length(row, "explanation", row.explanation or "", least=0, most=LONGEST_EXPLANATION)
    return {
        "question_text": row.question_text,
        "options": [option.text for option in row.options],
        "correct_answer": _find_right_answer(row),
        "points": _check_points(row),
        "time_limit_ms": _check_time_limit(row),
        "explanation": row.explanation,
    }


def _check_length(row: Row, column: str, text: str, *, least: int = 1, most: int) -> None:
    if len(text) > most:
        row.fault(column, f"has {len(text):,} characters; at most {most:,} are allowed")
    elif least and not comparable(text):
        row.fault(column, "is empty")


def _check_options(row: Row) -> None:
    if not MINIMUM_OPTIONS <= len(row.options) <= MAXIMUM_OPTIONS:
        detail = f"{len(row.options)} options; {MINIMUM_OPTIONS} to {MAXIMUM_OPTIONS} are needed"
        row.fault("options", detail)
        return
    seen: dict[str, str] = {}
    for option in row.options:
        _check_length(row, option.column, option.text, most=LONGEST_OPTION)
        key = _key(option.text)
        if key and key in seen:
            row.fault(option.column, f"equals {seen[key]}")
        seen.setdefault(key, option.column)


def _find_right_answer(row: Row) -> str:
    if not row.right_answers:
        row.fault("correct_answer", "the right answer is missing")
        return ""
    if len(row.right_answers) > 1:
        row.fault("correct_answer", "needs one right answer")
        return ""
    (answer,) = row.right_answers
    options = {_key(option.text): option.text for option in row.options}
    if answer in options.values():
        return answer
    if _key(answer) not in options:
        several = len(_split(answer, options)) > 1
        row.fault("correct_answer", "needs one right answer" if several else "is none of the options")
        return ""
    return options[_key(answer)]


def _key(option: str) -> str:
    # Normalizing a row of marks takes the square of its length. A text that is too long equals no other.
    return comparable(option) if len(option) <= LONGEST_OPTION else option


def _split(answer: str, options: Iterable[str]) -> Sequence[str]:
    """The options that a text lists; none when one of its parts is no option."""
    for separator in "|;,/\n":
        parts = [_key(part) for part in answer.split(separator)]
        if len(parts) > 1 and set(parts) <= set(options):
            return parts
    return ()


def _check_points(row: Row) -> int:
    points = DEFAULT_POINTS if row.points is None else _whole_number(row.points)
    if points is None or not 0 <= points <= MAXIMUM_POINTS:
        row.fault("points", f"has to be a whole number from 0 to {MAXIMUM_POINTS:,}")
        return 0
    return points


def _check_time_limit(row: Row) -> int | None:
    if row.time_limit_ms is None:
        return None
    limit = _whole_number(row.time_limit_ms)
    if limit is None:
        row.fault("time_limit_ms", "has to be a whole number of milliseconds")
        return None
    clamped = min(max(limit, SHORTEST_MS), LONGEST_MS)
    if clamped != limit:
        row.warn("time_limit_ms", f"{limit} is out of range; {clamped} was taken")
    return clamped


def _whole_number(value: Any) -> int | None:
    """The number, also from a spreadsheet's "1000.0"; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else None
