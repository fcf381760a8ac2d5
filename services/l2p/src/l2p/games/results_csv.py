"""The results of a game as CSV, a row for each participant."""

import csv
import io
import json

from l2p.question_sets.texts import guard

_COLUMNS = ("rank", "user_id", "username", "score", "correct_answers", "rating_before", "rating")
_OF_QUESTION = ("answer", "is_correct", "time_taken_ms", "points")


def write_csv(results: str) -> str:
    """The rows of a JSON list of `ParticipantResult`s. What a participant has no number for is empty.

    Texts that a spreadsheet would compute are guarded as in exports of question sets; numbers are bare.
    """
    items = json.loads(results)
    questions = sorted({answer["order_index"] for item in items for answer in item["answers"]})
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(
        [*_COLUMNS, *(f"question_{number + 1}_{name}" for number in questions for name in _OF_QUESTION)]
    )
    for item in items:
        answers = {answer["order_index"]: answer for answer in item["answers"]}
        cells = [item[name] for name in _COLUMNS]
        for number in questions:
            answer = answers.get(number, {})
            cells += [answer.get(name) for name in _OF_QUESTION]
        rows.writerow([_write(cell) for cell in cells])
    return out.getvalue()


def _write(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    return guard(cell) if isinstance(cell, str) else cell
