"""Invalid requests: the error points at the field, says what is expected, and never repeats the value."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.clients import running
from tests.libs.faulty_app import CANARY, build, pointers, post, problem_of
from tests.tokens import TokenMint

NO_JSON = {
    "empty array end": b"]",
    "cut off": b'{"note": "' + CANARY.encode(),
    "single quotes": b"{'note': 1}",
    "a comma too many": b'{"note": "x",}',
    "two documents": b"{} {}",
    "a control character": b'{"note": "\x01' + CANARY.encode() + b'"}',
    "a bad escape": b'{"note": "\\x41"}',
    "a comment": b"{/* c */}",
    "words": CANARY.encode(),
    "a NUL": b"\x00",
    "invalid UTF-8": b'{"note": "\xff\xfe"}',
    "overlong UTF-8": b'{"note": "\xc0\xaf"}',
    "half of UTF-16": b"\xff\xfe{",
    "too deep": b'{"extra": ' + b"[" * 200_000,
    "too deep, closed": b'{"extra": {"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}",
    "a huge integer": b'{"amount": ' + b"9" * 100_000 + b"}",
}


@pytest.fixture(scope="module")
async def client(mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    async with running(build(mint)) as started:
        yield started


@pytest.mark.parametrize("name", NO_JSON)
async def test_invalid_json_is_refused_and_not_echoed(client: httpx.AsyncClient, name: str) -> None:
    answer = await post(client, NO_JSON[name])
    assert answer.status_code in (400, 422)
    if answer.status_code == 400:
        problem_of(answer, 400, "bad-request")
    else:
        assert pointers(answer) == ["#"]


ODD_VALUES = {
    "NaN": (b'{"items": [{"quantity": NaN}]}', "#/items/0/quantity"),
    "Infinity": (b'{"items": [{"quantity": Infinity}]}', "#/items/0/quantity"),
    "NaN as money": (b'{"items": [{"quantity": 1, "price": NaN}]}', "#/items/0/price"),
    "a number too large": (b'{"items": [{"quantity": 1e400}]}', "#/items/0/quantity"),
    "an integer of 4,000 digits": (b'{"items": [{"quantity": ' + b"9" * 4000 + b"}]}", "#/items/0/quantity"),
    "half a surrogate pair": (b'{"note": "\\ud800"}', "#/note"),
    "half a pair inside": (b'{"note": "a\\udc00b"}', "#/note"),
    "half a pair in UTF-8": (b'{"note": "\xed\xa0\x80"}', "#/note"),
    "NUL": (b'{"note": "a\\u0000b"}', "#/note"),
    "half a pair as a name": (b'{"\\ud800": 1}', "#"),
    "half a pair as a key": (b'{"names": {"\\ud800": "x"}}', "#/names"),
    "NUL as a name": (b'{"\\u0000": 1}', "#/%00"),
    "half a pair in free JSON": (b'{"extra": {"a": ["\\ud800"]}}', "#/extra"),
    "half a pair as a name in free JSON": (b'{"extra": {"\\ud800": 1}}', "#/extra"),
    "NUL in free JSON": (b'{"extra": {"a": {"b": "\\u0000"}}}', "#/extra"),
    "NUL as a name in free JSON": (b'{"extra": {"\\u0000": 1}}', "#/extra"),
    "NaN in free JSON": (b'{"extra": {"a": NaN}}', "#/extra"),
    "infinity in free JSON": (b'{"extra": {"a": 1e999}}', "#/extra"),
    "free JSON too deep": (b'{"extra": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}", "#/extra"),
}


@pytest.mark.parametrize("name", ODD_VALUES)
async def test_an_invalid_value_is_pointed_at(client: httpx.AsyncClient, name: str) -> None:
    body, pointer = ODD_VALUES[name]
    assert pointers(await post(client, body)) == [pointer]


POINTED: list[tuple[Any, list[str]]] = [
    ({"items": [{"quantity": 1}, {"quantity": 0}]}, ["#/items/1/quantity"]),
    ({"items": [{}]}, ["#/items/0/quantity"]),
    ({"items": [{"quantity": "1"}]}, ["#/items/0/quantity"]),
    ({"items": [7]}, ["#/items/0"]),
    ({"items": {}}, ["#/items"]),
    ({"items": None}, ["#/items"]),
    ({"unknown": 1}, ["#/unknown"]),
    ({"items": [{"quantity": 1, "unknown": 1}]}, ["#/items/0/unknown"]),
    ({"a/b~c d": "x"}, ["#/a~1b~0c%20d"]),
    ({"ü": 1}, ["#/%C3%BC"]),
    ({"": 1}, ["#/"]),
    ({"names": {"x/y": "z"}}, ["#/names/x~1y"]),
    ({"names": {"": "z"}}, ["#/names/"]),
    ({"amount": "x"}, ["#/amount", "#/amount"]),
    ({"amount": ["x"]}, ["#/amount", "#/amount/0"]),
    ({"items": [{"quantity": 1, "trait": {"kind": "colour", "name": "green"}}]}, ["#/items/0/trait/name"]),
    ({"items": [{"quantity": 1, "trait": {"kind": "size"}}]}, ["#/items/0/trait/metres"]),
    ({"items": [{"quantity": 1, "trait": {"kind": "sound"}}]}, ["#/items/0/trait"]),
    ({"items": [{"quantity": 1, "trait": {}}]}, ["#/items/0/trait"]),
    ({"code": "never"}, ["#/code"]),
    ({"note": 1, "flag": "perhaps"}, ["#/note", "#/flag"]),
    ([], ["#"]),
    ("text", ["#"]),
    (7, ["#"]),
    (None, ["#"]),
]


@pytest.mark.parametrize(("body", "expected"), POINTED, ids=[json.dumps(body) for body, _ in POINTED])
async def test_errors_point_at_the_place_in_the_body(
    client: httpx.AsyncClient, body: Any, expected: list[str]
) -> None:
    found = pointers(await post(client, body))
    assert found == expected
    for pointer in found:
        assert_resolves(pointer, body)


def assert_resolves(pointer: str, body: Any) -> None:
    """RFC 6901: every part but perhaps the last, which may be a missing field, leads somewhere."""
    assert pointer.startswith("#")
    parts = [unquote(part).replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")[1:]]
    for part in parts[:-1]:
        body = body[int(part)] if isinstance(body, list) else body[part]


async def test_an_empty_body_is_pointed_at_as_a_whole(client: httpx.AsyncClient) -> None:
    assert pointers(await client.post("/v1/baskets")) == ["#"]


async def test_a_list_as_the_body_is_pointed_into(client: httpx.AsyncClient) -> None:
    answer = await post(client, [{"quantity": 1}, {"quantity": 0}, 3], "/v1/batches")
    assert pointers(answer) == ["#/1/quantity", "#/2"]


async def test_query_path_and_header_are_pointed_at_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things/x/0", params={"colour": CANARY}, headers={"X-Depth": CANARY})
    assert sorted(pointers(answer)) == ["#header/x-depth", "#path/number", "#path/thing_id", "#query/colour"]


async def test_a_body_with_thousands_of_faults_gets_a_short_answer(client: httpx.AsyncClient) -> None:
    answer = await post(client, {f"f{number}": 1 for number in range(50_000)})
    assert 1 <= len(pointers(answer)) <= 100
    assert len(answer.content) < 20_000


ECHOES: list[dict[str, Any]] = [
    {"password": CANARY[:11]},
    {"code": CANARY},
    {"email": CANARY},
    {"email": f"{CANARY}@"},
    {"email": f"a@{CANARY}"},
    {"buyer": CANARY},
    {"day": CANARY},
    {"moment": CANARY},
    {"link": CANARY},
    {"link": f"http://{CANARY} x"},
    {"flag": CANARY},
    {"choice": CANARY},
    {"amount": CANARY},
    {"names": {"a": CANARY}},
    {"items": [{"quantity": CANARY}]},
    {"items": [{"quantity": 1, "price": CANARY}]},
    {"items": [{"quantity": 1, "trait": {"kind": CANARY}}]},
    {"items": CANARY},
    {"note": {"a": CANARY}},
    {"note": [CANARY]},
    {"extra": CANARY},
    {"unknown": CANARY},
]


@pytest.mark.parametrize("body", ECHOES, ids=json.dumps)
async def test_the_input_is_never_echoed(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await post(client, body)
    document = problem_of(answer, 422, "invalid-request")
    assert CANARY[:11] not in answer.text
    assert "input" not in document["errors"][0]
    assert set(document["errors"][0]) == {"pointer", "detail"}


async def test_an_error_has_no_prefix_of_the_library(client: httpx.AsyncClient) -> None:
    answer = await post(client, {"code": "never", "unknown": 1})
    assert [entry["detail"] for entry in answer.json()["errors"]] == ["may not be that one", "unknown field"]


async def test_the_token_is_checked_before_the_body(client: httpx.AsyncClient, mint: TokenMint) -> None:
    refused = await post(client, {"unknown": 1}, "/v1/guarded")
    problem_of(refused, 401, "unauthorized")
    answer = await client.post("/v1/guarded", json={"unknown": 1}, headers=mint.headers())
    problem_of(answer, 422, "invalid-request")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"secret": ""}, "String should have at least 1 character"),
        ({"secret": "x" * 513}, "String should have at most 512 characters"),
        ({"code": "x" * 11}, "String should have at most 10 characters"),
    ],
)
async def test_the_length_of_a_text_is_told_in_characters_whatever_it_becomes(
    client: httpx.AsyncClient, body: dict[str, str], told: str
) -> None:
    answer = await post(client, json.dumps(body).encode())
    assert [error["detail"] for error in problem_of(answer, 422, "invalid-request")["errors"]] == [told]
