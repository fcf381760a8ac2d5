"""Question sets as CSV (RFC 4180): a header line, then a question a row."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from l2p.question_sets.limits import MAXIMUM_OPTIONS, MAXIMUM_ROWS
from l2p.question_sets.rows import Cell, FileRefused, Note, Row
from l2p.question_sets.texts import clean, guard, is_guarded

OPTION_COLUMNS = tuple(f"option_{number}" for number in range(1, MAXIMUM_OPTIONS + 1))
COLUMNS = (
    "question_text",
    *OPTION_COLUMNS,
    "correct_answer",
    "points",
    "time_limit_ms",
    "explanation",
)
HEADER = ",".join(COLUMNS)

_SEPARATORS = ",;\t"
_LONGEST_BANNER = 20
"""Rows in which the header line is looked for."""

_OPTION = re.compile(r"option_?([0-9]{1,2})")
_WORDS = re.compile(r"[^\W\d_]{2}")
_NUMBER = re.compile(r"[0-9]+([.,][0-9]+)?\.?")

csv.field_size_limit(2**31 - 1)  # a file's size is limited


def write_csv(questions: Iterable[Any]) -> str:
    """The rows of questions, which have the columns of the table; `options` is a list."""
    out = io.StringIO()
    # A spreadsheet reads UTF-8 only with a byte order mark.
    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for question in questions:
        options = [guard(option) for option in question.options]
        writer.writerow(
            [
                guard(question.question_text),
                *options,
                *[""] * (MAXIMUM_OPTIONS - len(options)),
                guard(question.correct_answer),
                question.points,
                question.time_limit_ms,
                guard(question.explanation or ""),
            ]
        )
    return out.getvalue()


@dataclass(frozen=True)
class _Header:
    """The header line of a file: where each of our columns stands."""

    number: int
    separator: str
    cells: Sequence[str]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """The places of each column, options in their order; several where a column is there twice."""
        places: dict[str, list[int]] = {}
        for place, cell in enumerate(self.cells):
            places.setdefault(_name_column(cell) or "", []).append(place)
        return dict(sorted(places.items(), key=lambda item: (len(item[0]), item[0])))

    @cached_property
    def options(self) -> Sequence[tuple[str, int]]:
        """The names and places of the columns of options."""
        return [
            (name, place)
            for name, places in self.places.items()
            if _OPTION.fullmatch(name)
            for place in places
        ]

    @property
    def is_complete(self) -> bool:
        """Whether it has the columns without which there is no question."""
        return {"question_text", "correct_answer", *OPTION_COLUMNS[:2]} <= self.places.keys()


def read_csv(text: str) -> Iterator[Row]:
    """The rows with a question. Raises `FileRefused` without a header line, or with too many rows."""
    header = _find_header(text)
    notes = _note_unknown(header)
    kept = 0
    for number, cells in islice(_read_records(text, header.separator), header.number, None):
        row = Row(number=number)
        if isinstance(cells, csv.Error):
            row.fault("question_text", f"is no CSV: {cells}")
        elif _is_empty(cells):
            continue
        else:
            _fill(row, header, cells)
            if number == header.number + 1 and _is_help(row):
                notes.append(Note(row=number, detail="was skipped: it explains the columns"))
                continue
        kept += 1
        if kept > MAXIMUM_ROWS:
            raise FileRefused(Note(row=number, detail=f"more than {MAXIMUM_ROWS:,} rows"))
        row.warnings += notes
        notes = []
        yield row


def _note_unknown(header: _Header) -> list[Note]:
    unknown = [place for place in header.places.get("", ()) if header.cells[place].strip()]
    return [Note(row=header.number, detail=f"{len(unknown)} unknown column(s) ignored")] if unknown else []


Record = tuple[int, "list[str] | csv.Error"]


def _read_records(text: str, separator: str) -> Iterator[Record]:
    """Each row with its number, or with why it is none. An empty line is a row, as in a spreadsheet."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    number = 0
    while True:
        number += 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, error


def _find_header(text: str) -> _Header:
    for separator in _SEPARATORS:
        for number, cells in islice(_read_records(text, separator), _LONGEST_BANNER):
            if not isinstance(cells, csv.Error):
                header = _Header(number, separator, cells)
                if header.is_complete:
                    return header
    raise FileRefused(Note(row=None, detail=f"no header line; it should be: {HEADER}"))


def _name_column(cell: str) -> str | None:
    """The column that a cell of the header line names; None when it is not one of ours."""
    if is_guarded(cell):
        cell = cell[1:]
    name = re.sub(r"\W+", "_", cell.strip().casefold()).strip("_")
    option = _OPTION.fullmatch(name)
    if option:
        return f"option_{int(option[1])}"
    return name if name in COLUMNS else None


def _is_empty(cells: list[str]) -> bool:
    """Whether nothing is in the row, but for a number or a heading."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return not filled or (len(filled) == 1 and _NUMBER.fullmatch(filled[0]) is not None)


def _is_help(row: Row) -> bool:
    """Whether the row explains the columns: it has words where numbers belong, and a right answer that is no option."""
    numbers = [text for text in (row.points, row.time_limit_ms) if text]
    options = {option.text for option in row.options}
    return bool(numbers) and all(map(_WORDS.search, numbers)) and options.isdisjoint(row.right_answers)


def _fill(row: Row, header: _Header, cells: list[str]) -> None:
    width = len(header.cells)
    if len(cells) > width and any(cell.strip() for cell in cells[width:]):
        row.fault(
            "question_text", "the row has more cells than the header; put a text with a separator in quotes"
        )
    cells += [""] * (width - len(cells))

    def read(column: str) -> list[str]:
        texts = [
            _read_cell(row, column, cells[place]) for place in header.places.get(column, ()) if cells[place]
        ]
        return [text for text in texts if text]

    options = [Cell(column=name, text=_read_cell(row, name, cells[place])) for name, place in header.options]
    while options and not options[-1].text:
        options.pop()
    row.options = options
    row.question_text = " ".join(read("question_text"))
    row.right_answers = read("correct_answer")
    row.points, row.time_limit_ms, row.explanation = (next(iter(read(name)), None) for name in COLUMNS[-3:])


def _read_cell(row: Row, column: str, cell: str) -> str:
    if not cell:
        return ""
    if is_guarded(cell):
        return cell[1:]
    try:
        return clean(cell)
    except ValueError as error:
        row.fault(column, str(error))
        return ""
