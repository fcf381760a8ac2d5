"""Whatever is in a file: it is read, or refused with a reason."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2p.question_sets.csv_format import HEADER
from l2p.question_sets.reading import OnError, read_file
from l2p.question_sets.rows import FileRefused
from l2p.question_sets.schemas import QuestionRequest

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)
names = st.sampled_from(
    [
        *("question_text", "options", "correct_answer", "points", "time_limit_ms", "explanation"),
        "question",
        "incorrect_answers",
    ]
)
entries = st.dictionaries(
    names, values | st.sampled_from(["a", "b", ["a", "b"], ["b", "YQ=="], 1000]), max_size=8
)
documents = st.one_of(
    values,
    st.lists(entries, max_size=3),
    st.fixed_dictionaries(
        {"questions": st.lists(entries | values, max_size=3)}, optional={"title": values, "format": values}
    ),
    st.fixed_dictionaries({"results": st.lists(entries, max_size=3)}),
)
cells = st.text(st.sampled_from("ab,;\t\"'=-\r\n \x07\u200b\u202e1"), max_size=60)
tables = st.builds(
    "{}{}\n{}".format, cells, st.sampled_from([HEADER, HEADER.replace(",", ";"), "a,b"]), cells
)
files = (
    st.binary(max_size=200)
    | documents.map(lambda document: json.dumps(document).encode())
    | tables.map(str.encode)
    | tables.map(lambda text: text.encode("utf-16"))
)


def check(question: dict[str, Any]) -> None:
    """What an import stores is what the API takes."""
    assert QuestionRequest.model_validate(question).model_dump() == question


@settings(max_examples=200, deadline=None)
@given(files, st.sampled_from(["fail", "skip"]))
@pytest.mark.long
def test_a_file_is_read_or_refused(content: bytes, on_error: OnError) -> None:
    with contextlib.suppress(FileRefused):
        found = read_file(content, on_error=on_error)
        questions = json.loads(found.questions)
        assert len(questions) == found.count > 0
        for question in questions:
            check(question)


questions = st.builds(
    lambda options, rest: {**rest, "options": options, "correct_answer": options[0]},
    st.lists(st.text(max_size=5), min_size=1, max_size=7),
    st.fixed_dictionaries(
        {"question_text": st.text(max_size=5)},
        optional={
            "points": st.integers(-1, 10_001),
            "time_limit_ms": st.none() | st.integers(5_000, 120_000),
            "explanation": st.none() | st.text(max_size=5),
        },
    ),
)


@settings(max_examples=200, deadline=None)
@given(questions)
@pytest.mark.long
def test_a_file_of_ours_is_taken_exactly_when_the_api_takes_its_question(question: dict[str, Any]) -> None:
    document = {"format": "quartet.question-set.v1", "title": "x", "questions": [question]}
    try:
        expected = QuestionRequest.model_validate(question).model_dump()
    except ValueError:
        expected = None
    try:
        found = json.loads(read_file(json.dumps(document).encode(), on_error="fail").questions)
    except FileRefused:
        found = [None]
    assert found == [expected]
