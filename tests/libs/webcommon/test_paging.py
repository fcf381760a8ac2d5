"""Keyset paging: opaque cursors that belong to one list, and pages of 1 to 100 rows."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Request, Response
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from tests.clients import running
from webcommon.api.paging import (
    DEFAULT_LIMIT,
    LONGEST_CURSOR,
    CursorCodec,
    CursorParameter,
    CursorValue,
    LimitParameter,
    Page,
)
from webcommon.api.problems import InvalidRequest
from webcommon.app.service import Service
from webcommon.settings import ServiceSettings

codec = CursorCodec(b"k" * 32)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
values: st.SearchStrategy[CursorValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    texts,
    st.uuids(),
    st.datetimes(timezones=st.just(UTC) | offsets),
)
scopes = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(scope=scopes, row=st.lists(values, max_size=5))
@example(scope="", row=[])
@example(scope="videos -file_name", row=["a\x00b", '{"t": "x"}', "é" * 100])
def test_a_cursor_gives_back_its_values_and_their_types(scope: str, row: list[CursorValue]) -> None:
    read = codec.decode(scope, codec.encode(scope, row))
    assert read == row
    assert read is not None
    assert [type(value) for value in read] == [type(value) for value in row]


def test_a_time_keeps_its_microseconds_and_infinity_is_a_number() -> None:
    moment = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
    assert codec.decode("s", codec.encode("s", [moment, math.inf])) == [moment, math.inf]


def test_no_cursor_is_the_first_page() -> None:
    assert codec.decode("any", None) is None


@given(row=st.lists(values, max_size=3), place=st.integers(0, 10**6), letter=st.sampled_from("Aa0-_Zz9+/= é"))
def test_a_cursor_with_any_letter_changed_is_refused(row: list[CursorValue], place: int, letter: str) -> None:
    cursor = codec.encode("list", row)
    index = place % len(cursor)
    changed = cursor[:index] + letter + cursor[index + 1 :]
    if changed != cursor:
        with pytest.raises(InvalidRequest):
            codec.decode("list", changed)


@given(row=st.lists(values, max_size=3), cut=st.integers(1, 40))
def test_a_cursor_cut_or_lengthened_is_refused(row: list[CursorValue], cut: int) -> None:
    cursor = codec.encode("list", row)
    for changed in (cursor[:-cut], cursor[cut:], cursor + "A" * cut, cursor + "=" * cut, "A" * cut + cursor):
        with pytest.raises(InvalidRequest):
            codec.decode("list", changed)


@pytest.mark.parametrize("length", range(1, 7))
def test_a_cursor_with_its_last_letter_changed_is_refused(length: int) -> None:
    # The unused bits of the last letter would let several spellings through.
    cursor = codec.encode("list", ["x" * length])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
    for letter in set(alphabet) - {cursor[-1]}:
        with pytest.raises(InvalidRequest):
            codec.decode("list", cursor[:-1] + letter)


@given(text=st.text(max_size=100))
@example(text="")
@example(text="=")
@example(text="\ud800")
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        codec.decode("list", text)


@given(first=scopes, second=scopes, row=st.lists(values, max_size=2))
@example(first="videos", second="videos ", row=[])
@example(first="a[1]", second="a", row=[1])
def test_a_cursor_of_another_list_is_refused(first: str, second: str, row: list[CursorValue]) -> None:
    if first != second:
        with pytest.raises(InvalidRequest):
            codec.decode(second, codec.encode(first, row))


def test_a_cursor_of_another_service_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        CursorCodec(b"other" * 8).decode("list", codec.encode("list", [1]))


def test_replicas_with_the_same_secret_read_each_others_cursors() -> None:
    assert CursorCodec(b"k" * 32).decode("list", codec.encode("list", [1])) == [1]


# Through HTTP.

IDS = [uuid4() for _ in range(250)]
router = APIRouter()


@router.get("/v1/rows", operation_id="list_rows", response_model=Page[int])
async def list_rows(
    request: Request,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
    scope: str = "rows",
) -> Response:
    cursors: CursorCodec = request.app.cursors
    after = cursors.decode(scope, cursor)
    start = 0 if after is None else after[0] + 1
    assert after is None or isinstance(after[1], UUID)
    end = start + limit
    position = (end - 1, IDS[end - 1]) if end < len(IDS) else (None, None)
    return cursors.json_page(
        (",".join(str(number) for number in range(start, min(end, len(IDS)))), *position), scope=scope
    )


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TINY_")
    service: ClassVar[str] = "tiny"
    port: int = 1


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(secret=SecretStr("s" * 32))
    app = Service(settings, version="0", title="Tiny", description="", routers=[router], database=None)
    async with running(app) as started:
        yield started


async def walk(client: httpx.AsyncClient, *, limit: int | None) -> list[list[int]]:
    pages: list[list[int]] = []
    cursor: str | None = None
    while True:
        parameters: dict[str, Any] = {"limit": limit, "cursor": cursor}
        answer = await client.get("/v1/rows", params={k: v for k, v in parameters.items() if v is not None})
        assert answer.status_code == 200
        pages.append(answer.json()["items"])
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return pages


@pytest.mark.parametrize("limit", [1, 7, 50, 99, 100])
async def test_pages_hold_every_row_once_and_in_order(client: httpx.AsyncClient, limit: int) -> None:
    pages = await walk(client, limit=limit)
    assert [row for page in pages for row in page] == list(range(250))
    assert {len(page) for page in pages[:-1]} == {limit}
    assert pages[-1]


async def test_fifty_rows_make_a_page_unless_told_otherwise(client: httpx.AsyncClient) -> None:
    # 250 rows are exactly five pages: the fifth knows that it is the last.
    assert [len(page) for page in await walk(client, limit=None)] == [50] * 5


@pytest.mark.parametrize(
    "limit", ["0", "-1", "101", "1000000000000000000000", "1.5", "x", "", "NaN", "1e1", "٣x"]
)
async def test_a_limit_below_1_or_above_100_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get("/v1/rows", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#query/limit"


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "A" * 100, "A" * (LONGEST_CURSOR + 1), "%00", "../../etc/passwd"]
)
async def test_a_cursor_that_is_not_ours_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    answer = await client.get("/v1/rows", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == "#query/cursor"
    assert "Traceback" not in answer.text


async def test_a_cursor_does_not_move_to_another_list(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/rows", params={"scope": "by name"})).json()
    moved = await client.get("/v1/rows", params={"scope": "by size", "cursor": first["next_cursor"]})
    assert moved.status_code == 422
    stayed = await client.get("/v1/rows", params={"scope": "by name", "cursor": first["next_cursor"]})
    assert stayed.json()["items"][0] == 50


def test_the_longest_name_fits_into_a_cursor() -> None:
    # 512 characters outside of the basic plane, a time and an id: more than any list sorts by.
    cursor = codec.encode("list", ["🎬" * 512, datetime.now(UTC), uuid4()])
    assert len(cursor) <= LONGEST_CURSOR
