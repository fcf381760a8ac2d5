"""A file's bytes to questions. Needs only the standard library, so that a process for it starts quickly."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from l2p.names import clean_name
from l2p.question_sets.csv_format import read_csv
from l2p.question_sets.json_formats import parse_json, read_json
from l2p.question_sets.limits import LONGEST_TITLE, MAXIMUM_QUESTIONS
from l2p.question_sets.rows import FileRefused, Note, Question, Row, make_question
from l2p.question_sets.texts import comparable

OnError = Literal["fail", "skip"]

_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16-LE", b"\xfe\xff": "UTF-16-BE"}
"""Byte order marks."""

MOST_FAULTS = 500
"""Up to this number all faults of a row are told."""

_ZIP = b"PK\x03\x04"


@dataclass(kw_only=True)
class ReadSet:
    """What an import takes from a file. `questions` is a JSON array, which nobody but PostgreSQL needs to read."""

    title: str | None
    is_public: bool
    allow_copy: bool
    count: int
    skipped: int
    warnings: Sequence[Note]
    questions: str


def read_file(content: bytes, *, on_error: OnError) -> ReadSet:
    """The questions of a file, recognised by its content. Raises `FileRefused` with every row that is at fault."""
    text, warnings = _decode(content)
    if text.lstrip()[:1] in ("{", "["):
        document = parse_json(text)
        rows: Iterable[Row] = read_json(document)
    else:
        document = None
        rows = read_csv(text)
    head = _read_head(document)
    if head["title"] is None and isinstance(document, dict) and "title" in document:
        warnings.append(Note(row=None, column="title", detail=f"has to have 1 to {LONGEST_TITLE} characters"))
    questions, faults, noted = _check_rows(rows)
    skipped = len({fault.row for fault in faults})
    if not questions and not faults:
        faults = [Note(row=None, detail="holds no questions")]
    if len(questions) > MAXIMUM_QUESTIONS:
        detail = f"{len(questions):,} questions; a set has at most {MAXIMUM_QUESTIONS}"
        faults = [*faults, Note(row=None, detail=detail)]
    if faults and (on_error == "fail" or not 0 < len(questions) <= MAXIMUM_QUESTIONS):
        raise FileRefused(*_choose(faults))
    noted += [Note(row=fault.row, detail=f"skipped: {fault}") for fault in faults]
    return ReadSet(
        **head,
        count=len(questions),
        skipped=skipped,
        warnings=[*warnings, *sorted(noted, key=lambda note: note.row or 0)],
        questions=json.dumps(questions, ensure_ascii=False),
    )


def _decode(content: bytes) -> tuple[str, list[Note]]:
    if content.startswith(_ZIP):
        raise FileRefused(Note(row=None, detail="is a zip or a spreadsheet; save it as CSV"))
    warnings: list[Note] = []
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    encoding = _MARKS.get(mark, "UTF-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if mark:
            raise _refuse_bytes(content, error, encoding) from None
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError as second:
            raise _refuse_bytes(content, second, "Windows-1252") from None
        warnings.append(Note(row=None, detail="is not UTF-8; it was read as Windows-1252"))
    nul = text.find("\x00")
    if nul >= 0:
        raise FileRefused(Note(row=_count_rows(text[:nul]), detail="holds a NUL character"))
    return text.lstrip("\ufeff"), warnings


def _refuse_bytes(content: bytes, error: UnicodeDecodeError, encoding: str) -> FileRefused:
    before = content[: error.start].decode(encoding, "replace")
    detail = f"holds bytes that are no {encoding}"
    return FileRefused(Note(row=_count_rows(before), detail=detail))


def _count_rows(before: str) -> int:
    return before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1


def _check_rows(rows: Iterable[Row]) -> tuple[list[Question], list[Note], list[Note]]:
    """The questions, the faults and the warnings of all rows."""
    questions: list[Question] = []
    faults: list[Note] = []
    warnings: list[Note] = []
    known: Counter[str] = Counter()
    for row in rows:
        question = None if row.faults else make_question(row)
        if question is not None and not row.faults:
            questions.append(question)
            key = comparable(question["question_text"]).casefold()
            known[key] += 1
            if known[key] > 1:
                row.warn("question_text", "this question was in the file before")
        faults += row.faults
        warnings += row.warnings
    return questions, faults, warnings


def _choose(faults: list[Note]) -> Iterable[Note]:
    """All faults, or the first of each row where they are many."""
    if len(faults) <= MOST_FAULTS:
        return faults
    return reversed({fault.row: fault for fault in reversed(faults)}.values())


def _read_head(document: Any) -> dict[str, Any]:
    """What a file says about the set, without what is no title or no flag."""
    head = document if isinstance(document, dict) else {}
    title = head.get("title")
    # JSON can contain what is no character: NUL, and half of a surrogate pair.
    readable = title.replace("\x00", "").encode(errors="ignore").decode() if isinstance(title, str) else ""
    cleaned = clean_name(readable)
    return {
        "title": cleaned if 0 < len(cleaned) <= LONGEST_TITLE else None,
        "is_public": head.get("is_public") is True,
        "allow_copy": head.get("allow_copy") is True,
    }
