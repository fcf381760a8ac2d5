"""Question sets as JSON: our own format, and that of Open Trivia DB."""

import base64
import binascii
import html
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from l2p.question_sets.limits import MAXIMUM_ROWS
from l2p.question_sets.rows import Cell, FileRefused, Note, Row
from l2p.question_sets.texts import clean

FORMAT = "quartet.question-set.v1"
"""`format` of our exports. A text of such a file is taken as it is."""

FIELDS = ("question_text", "options", "correct_answer", "points", "time_limit_ms", "explanation")

Cleaner = Callable[[str], str]


def parse_json(text: str) -> Any:
    """The value. Raises `FileRefused`."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        note = Note(row=error.lineno, detail=f"is no JSON: {error.msg} in column {error.colno}")
        raise FileRefused(note) from None
    except (ValueError, RecursionError) as error:
        raise FileRefused(Note(row=None, detail=f"is no JSON that can be read: {error}")) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def read_json(document: Any) -> Iterator[Row]:
    """The questions of a document; the first is row 1. Raises `FileRefused` for another document."""
    entries = document.get("questions", document.get("results")) if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise FileRefused(Note(row=None, detail="has neither questions nor results"))
    if len(entries) > MAXIMUM_ROWS:
        raise FileRefused(Note(row=MAXIMUM_ROWS + 1, detail=f"more than {MAXIMUM_ROWS:,} questions"))
    is_exact = isinstance(document, dict) and document.get("format") == FORMAT
    for number, entry in enumerate(entries, start=1):
        row = Row(number=number)
        if not isinstance(entry, dict):
            row.fault("question_text", "is no JSON object")
        elif "incorrect_answers" in entry:
            _fill_from_trivia(row, entry)
        else:
            _fill(row, entry, (lambda text: text) if is_exact else clean)
        yield row


def _fill(row: Row, entry: dict[str, Any], cleaner: Cleaner) -> None:
    ignored = [name for name in entry if name not in FIELDS]
    if ignored:
        row.warn(ignored[0][:50], f"{len(ignored)} unknown field(s) ignored")
    row.question_text = _read_text(row, "question_text", entry.get("question_text"), cleaner)
    row.options = _read_options(row, "options", entry.get("options"), cleaner)
    row.right_answers = _read_answers(row, entry.get("correct_answer"), cleaner)
    row.points = entry.get("points")
    row.time_limit_ms = entry.get("time_limit_ms")
    if entry.get("explanation") is not None:
        row.explanation = _read_text(row, "explanation", entry["explanation"], cleaner)


def _fill_from_trivia(row: Row, entry: dict[str, Any]) -> None:
    decode = _choose_decoder(entry)

    def cleaner(text: str) -> str:
        return clean(decode(text))

    row.question_text = _read_text(row, "question", entry.get("question"), cleaner)
    wrong = _read_options(row, "incorrect_answers", entry["incorrect_answers"], cleaner)
    row.right_answers = _read_answers(row, entry.get("correct_answer"), cleaner)
    right = [Cell(column="correct_answer", text=text) for text in row.right_answers]
    # In an order that does not depend on which is right.
    row.options = sorted([*right, *wrong], key=lambda option: option.text)


def _choose_decoder(entry: dict[str, Any]) -> Cleaner:
    """Base64 if every text of the question is that, since some words are valid base64; else HTML entities."""
    texts = [text for value in entry.values() for text in (value if isinstance(value, list) else [value])]
    try:
        for text in texts:
            _decode_base64(text)
    except (ValueError, TypeError):
        return html.unescape
    return _decode_base64


def _decode_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _read_options(row: Row, column: str, values: Any, cleaner: Cleaner) -> Sequence[Cell]:
    if not isinstance(values, list):
        row.fault(column, "has to be a list")
        return ()
    # As many as can be told apart from the limit, so that a long list costs nothing.
    names = [f"{column}/{index}" for index in range(min(len(values), 100))]
    return [
        Cell(column=name, text=_read_text(row, name, value, cleaner))
        for name, value in zip(names, values, strict=False)
    ]


def _read_answers(row: Row, value: Any, cleaner: Cleaner) -> Sequence[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [_read_text(row, "correct_answer", one, cleaner) for one in values[:2]]


def _read_text(row: Row, column: str, value: Any, cleaner: Cleaner) -> str:
    if isinstance(value, float) and math.isfinite(value):
        value = int(value) if value.is_integer() else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        row.fault(column, "is missing" if value is None else "has to be a text")
        return ""
    if "\x00" in value:
        row.fault(column, "holds a NUL character")
        return ""
    try:
        value.encode()
        return cleaner(value)
    except UnicodeEncodeError:
        row.fault(column, "holds half of a surrogate pair")
    except ValueError as error:
        row.fault(column, str(error))
    return ""
