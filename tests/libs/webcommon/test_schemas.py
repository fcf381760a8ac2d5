"""Field types that several services share."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from webcommon.api.schemas import (
    DEEPEST_JSON,
    Digits,
    JsonObject,
    Moment,
    RequestBody,
    ResponseBody,
    Text,
    Timestamp,
)


class Body(RequestBody):
    text: Text = ""
    extra: JsonObject | None = None


class Answer(ResponseBody):
    at: Timestamp


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    return {"a": value}


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_text_is_every_character_but_nul(text: str) -> None:
    assert Body(text=text).text == text


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a\udfffb"])
def test_text_that_no_database_can_store_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate({"text": text})


def test_unknown_fields_are_refused_and_bodies_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Body.model_validate({"txet": "misspelt"})
    body: Any = Body(text="a")
    with pytest.raises(ValidationError):
        body.text = "b"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text("ab", max_size=2), json_values, max_size=3))
def test_free_json_is_unchanged(value: dict[str, Any]) -> None:
    assert Body(extra=value).extra == value


@pytest.mark.parametrize(
    "value",
    [
        {"a": "\x00"},
        {"\x00": 1},
        {"a": {"b": ["\ud800"]}},
        {"\udc00": 1},
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": {"b": float("-inf")}},
        nested(DEEPEST_JSON + 1),
        nested(10_000),
    ],
    ids=range(9),
)
def test_free_json_that_no_database_can_store_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate({"extra": value})


def test_free_json_may_be_nested_to_the_limit() -> None:
    assert Body(extra=nested(DEEPEST_JSON)).extra == nested(DEEPEST_JSON)


@pytest.mark.parametrize("value", [[], "text", 1, True])
def test_free_json_is_an_object(value: Any) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate({"extra": value})


@given(
    moment=st.datetimes(
        timezones=st.just(UTC) | st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
        min_value=datetime.fromisoformat("0001-01-03"),
        max_value=datetime.fromisoformat("9999-12-29"),
    )
)
def test_times_are_written_in_utc(moment: datetime) -> None:
    written = json.loads(Answer(at=moment).model_dump_json())["at"]
    assert written.endswith("Z")
    assert datetime.fromisoformat(written) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T18:30:00Z",
        "2026-11-22t18:30:00.5z",
        "2026-11-22 19:30:00+01:00",
        "2026-11-22T18:30:00-00:00",
    ],
)
def test_a_moment_of_rfc_3339_is_read(text: str) -> None:
    moment = TypeAdapter(Moment).validate_python(text)
    assert moment.replace(microsecond=0) == datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "12345",
        "12345.5",
        12345,
        "2026",
        "2026-11-22",
        "2026-11-22T18:30Z",
        "2026-11-22T18:30:00",
        "now",
        True,
    ],
)
def test_nothing_else_is_taken_for_a_moment(value: Any) -> None:
    with pytest.raises(ValidationError, match="RFC 3339"):
        TypeAdapter(Moment).validate_python(value)


@pytest.mark.parametrize("text", ["1_0", " 10", "10.0", "1e1", "+10", "٣", ""])
def test_a_number_of_a_query_is_written_in_digits(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Digits).validate_python(text)
