"""Every error is a problem document (RFC 9457) that says what to do and nothing of what is inside."""

import json
import logging
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query
from fastapi.responses import PlainTextResponse
from pydantic import AnyUrl, BaseModel, EmailStr, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy.exc import DBAPIError

from dbcommon.errors import DatabaseBusy, DatabaseUnavailable, PoolExhausted
from tests.clients import running
from tests.tokens import TokenMint
from webcommon.app import BODY_LIMIT, Service
from webcommon.bearer import CallerDep
from webcommon.problems import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    problem_responses,
)
from webcommon.schemas import JsonObject, RequestBody, Text
from webcommon.settings import ServiceSettings

CANARY = "canary-7f3a"
router = APIRouter()


class Colour(RequestBody):
    kind: Literal["colour"]
    name: Literal["red", "blue"]


class Size(RequestBody):
    kind: Literal["size"]
    metres: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Item(RequestBody):
    quantity: Annotated[int, Field(strict=True, ge=1, le=1000)]
    price: Decimal | None = None
    trait: Annotated[Colour | Size, Field(discriminator="kind")] | None = None


class Basket(RequestBody):
    items: list[Item] = Field([])
    note: Text = ""
    code: Annotated[str, Field(pattern=r"^[a-z]+$", max_length=10)] | None = None
    password: Annotated[str, Field(min_length=12)] | None = None
    email: EmailStr | None = None
    buyer: UUID | None = None
    day: date | None = None
    moment: datetime | None = None
    link: AnyUrl | None = None
    flag: bool | None = None
    choice: Literal["a", "b"] | None = None
    amount: int | list[int] | None = None
    extra: JsonObject | None = None
    names: dict[str, int] = Field({})
    odd: int | None = Field(None, alias="a/b~c d")

    @field_validator("code")
    @classmethod
    def _refuse_one(cls, code: str | None) -> str | None:
        if code == "never":
            raise ValueError("may not be that one")
        return code


@router.post("/v1/baskets")
async def create_basket(basket: Basket) -> dict[str, Any]:
    return {"items": len(basket.items)}


@router.post("/v1/batches")
async def create_batch(items: list[Item]) -> int:
    return len(items)


@router.post("/v1/imports", max_body_size=16 * 1024 * 1024)
async def create_import(basket: Basket) -> int:
    return len(basket.note)


@router.post("/v1/unread")
async def answer_unread() -> str:
    return "the body was not looked at"


@router.post("/v1/guarded")
async def answer_guarded(caller: CallerDep, basket: Basket) -> str:
    return str(caller.id)


@router.get("/v1/things/{thing_id}/{number}")
async def read_thing(
    thing_id: UUID,
    number: Annotated[int, Path(ge=1)],
    colour: Annotated[Literal["red"], Query()] = "red",
    x_depth: Annotated[int, Header()] = 0,
) -> int:
    return number


@router.get("/v1/plain")
async def read_plain() -> PlainTextResponse:
    return PlainTextResponse("plain")


ERRORS: dict[str, Exception] = {
    "runtime": RuntimeError(CANARY),
    "key": KeyError(CANARY),
    "assertion": AssertionError(CANARY),
    "recursion": RecursionError(CANARY),
    "memory": MemoryError(CANARY),
    "os": OSError(5, CANARY),
    "timeout": TimeoutError(CANARY),
    "group": ExceptionGroup(CANARY, [ValueError(CANARY)]),
    "http-400": HTTPException(400, CANARY),
    "http-404": HTTPException(404, CANARY),
    "http-409": HTTPException(409, {"secret": CANARY}),
    "http-418": HTTPException(418, CANARY),
    "http-503": HTTPException(503, CANARY, headers={"Retry-After": "7"}),
    "statement": DBAPIError(f"SELECT '{CANARY}'", {"p": CANARY}, Exception(CANARY)),
    "unavailable": DatabaseUnavailable(CANARY),
    "exhausted": PoolExhausted(CANARY),
    "busy": DatabaseBusy(CANARY),
}


@router.get("/v1/errors/{name}")
async def raise_error(name: str) -> None:
    raise ERRORS[name]


PROBLEMS: dict[str, Problem] = {
    "unauthorized": Unauthorized(),
    "forbidden": Forbidden("Ask an admin."),
    "not-found": NotFound(),
    "conflict": Conflict("The lobby is full.", capacity=8, missing=None),
    "invalid-request": InvalidRequest("too late", pointer="#/day"),
    "too-many-requests": TooManyRequests(retry_after=30),
    "unavailable": ServiceUnavailable("Wait.", retry_after=3),
    "internal-error": Problem(),
}


@router.get("/v1/problems/{name}")
async def raise_problem(name: str) -> None:
    raise PROBLEMS[name]


async def fail() -> None:
    raise RuntimeError(CANARY)


@router.get("/v1/dependency", dependencies=[Depends(fail)])
async def read_dependency() -> None:
    return None


class Answer(BaseModel):
    number: int


@router.get("/v1/answer")
async def read_answer() -> Answer:
    return CANARY  # type: ignore[return-value] # an answer that does not fit its model is the point


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TINY_")
    service: ClassVar[str] = "tiny"
    port: int = 1


@pytest.fixture(scope="module")
async def client(mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(secret=SecretStr("s" * 32))
    app = Service(
        settings,
        version="0",
        title="Tiny",
        description="",
        routers=[router],
        database=None,
        issuers=[mint.issuer],
    )
    async with running(app) as started:
        yield started


def problem_of(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The document of an answer, checked for all that every one must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert unquote(document["instance"]) == answer.request.url.path
    assert document["request_id"] == answer.headers["x-request-id"]
    assert CANARY not in answer.text
    assert CANARY not in str(answer.headers)
    return document


async def post(client: httpx.AsyncClient, body: Any, path: str = "/v1/baskets") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post(path, content=content, headers={"Content-Type": "application/json"})


def pointers(answer: httpx.Response) -> list[str]:
    return [entry["pointer"] for entry in problem_of(answer, 422, "invalid-request")["errors"]]


# Refusals of our own.


@pytest.mark.parametrize("slug", PROBLEMS)
async def test_a_refusal_is_answered_as_it_is_raised(client: httpx.AsyncClient, slug: str) -> None:
    problem = PROBLEMS[slug]
    answer = await client.get(f"/v1/problems/{slug}")
    document = problem_of(answer, problem.status, slug)
    assert document["title"] == problem.title
    assert document["detail"] == (problem.detail or problem.title)
    for name, value in problem.headers.items():
        assert answer.headers[name] == value
    assert document.get("capacity") == problem.members.get("capacity")
    assert "missing" not in document


async def test_refusals_carry_the_headers_that_their_status_wants(client: httpx.AsyncClient) -> None:
    unauthorized = await client.get("/v1/problems/unauthorized")
    assert unauthorized.headers["www-authenticate"].startswith("Bearer")
    limited = await client.get("/v1/problems/too-many-requests")
    assert limited.headers["retry-after"] == "30"
    away = await client.get("/v1/problems/unavailable")
    assert away.headers["retry-after"] == "3"
    invalid = await client.get("/v1/problems/invalid-request")
    assert invalid.json()["errors"] == [{"pointer": "#/day", "detail": "too late"}]


# What goes wrong inside.


@pytest.mark.parametrize(
    "name", ["runtime", "key", "assertion", "recursion", "memory", "os", "timeout", "group", "statement"]
)
async def test_an_unhandled_error_is_500_without_a_word_of_its_cause(
    client: httpx.AsyncClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    document = problem_of(answer, 500, "internal-error")
    assert set(document) == {"type", "title", "status", "detail", "instance", "request_id"}
    (record,) = [record for record in caplog.records if record.name == "webcommon.problems"]
    assert record.levelno == logging.ERROR
    assert record.exc_info


@pytest.mark.parametrize("path", ["/v1/dependency", "/v1/answer"])
async def test_an_error_outside_of_the_handler_is_500_too(client: httpx.AsyncClient, path: str) -> None:
    problem_of(await client.get(path), 500, "internal-error")


@pytest.mark.parametrize(
    ("name", "slug"),
    [("unavailable", "database-unavailable"), ("exhausted", "pool-exhausted"), ("busy", "database-busy")],
)
async def test_a_database_that_cannot_serve_is_503(client: httpx.AsyncClient, name: str, slug: str) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    problem_of(answer, 503, slug)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("name", "status", "slug"),
    [
        ("http-400", 400, "bad-request"),
        ("http-404", 404, "not-found"),
        ("http-409", 409, "conflict"),
        ("http-418", 418, "i-m-a-teapot"),
        ("http-503", 503, "service-unavailable"),
    ],
)
async def test_an_error_of_the_framework_keeps_its_status_and_not_its_words(
    client: httpx.AsyncClient, name: str, status: int, slug: str
) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    problem_of(answer, status, slug)
    assert answer.headers.get("retry-after") == ("7" if status == 503 else None)


# What the framework refuses.


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/v1/baskets/x/y", "/v1//baskets", "/%00", "/é/ü", "/a%2Fb?x=1", "/%ff"]
)
async def test_an_unknown_path_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    document = problem_of(answer, 404, "not-found")
    assert document["instance"].isascii()
    assert "?" not in document["instance"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_an_unknown_method_is_405_and_names_those_that_there_are(
    client: httpx.AsyncClient, method: str
) -> None:
    answer = await client.request(method, "/v1/baskets")
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


async def test_head_of_a_get_route_has_no_body_and_no_500(client: httpx.AsyncClient) -> None:
    answer = await client.head("/v1/plain")
    assert answer.status_code in (200, 405)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "image/png", "x"]
)
async def test_a_body_of_another_type_is_415(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post(
        "/v1/baskets", content=f'{{"note": "{CANARY}"}}', headers={"Content-Type": content_type}
    )
    problem_of(answer, 415, "unsupported-media-type")


async def test_a_body_without_a_type_is_415(client: httpx.AsyncClient) -> None:
    request = client.build_request("POST", "/v1/baskets", content=b"{}")
    request.headers.pop("content-type", None)
    problem_of(await client.send(request), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/merge-patch+json",
    ],
)
async def test_every_spelling_of_json_is_taken(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("/v1/baskets", content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host", ["[", "[::1", "a b", "\xff", "", "evil.example/path?x#y", "x" * 5000, "a:b:c"]
)
async def test_a_strange_host_header_does_no_harm(client: httpx.AsyncClient, host: str) -> None:
    headers = [(b"host", host.encode("latin-1"))]
    for path, status in (("/nowhere", 404), ("/v1/problems/conflict", 409), ("/v1/errors/runtime", 500)):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == status
        assert answer.json()["instance"] == path


# Bodies that are too large.

LARGE = b'{"note": "' + b"x" * BODY_LIMIT + b'"}'


async def chunks_of(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


@pytest.mark.parametrize(
    "path", ["/v1/baskets", "/v1/batches", "/v1/guarded", "/v1/unread", "/nowhere", "/v1/plain"]
)
async def test_a_body_over_the_limit_is_413_by_its_length(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=LARGE, headers={"Content-Type": "application/json"})
    problem_of(answer, 413, "content-too-large")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert len(answer.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("path", ["/v1/baskets", "/v1/batches"])
async def test_a_body_over_the_limit_is_413_in_chunks(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=chunks_of(LARGE), headers={"Content-Type": "application/json"})
    assert "content-length" not in answer.request.headers
    problem_of(answer, 413, "content-too-large")


async def test_chunks_that_nobody_reads_are_not_counted(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/unread", content=chunks_of(LARGE))).status_code == 200


async def test_a_body_of_exactly_the_limit_is_taken(client: httpx.AsyncClient) -> None:
    body = b'{"note": "' + b"x" * (BODY_LIMIT - 12) + b'"}'
    assert len(body) == BODY_LIMIT == 1024 * 1024
    assert (await post(client, body)).status_code == 200
    problem_of(await post(client, body + b" "), 413, "content-too-large")


async def test_a_route_may_have_a_limit_of_its_own(client: httpx.AsyncClient) -> None:
    large = b'{"note": "' + b"x" * (16 * 1024 * 1024 - 12) + b'"}'
    taken = await post(client, large, "/v1/imports")
    assert (taken.status_code, taken.json()) == (200, 16 * 1024 * 1024 - 12)
    problem_of(await post(client, large + b" ", "/v1/imports"), 413, "content-too-large")
    headers = {"Content-Type": "application/json"}
    chunked = await client.post("/v1/imports", content=chunks_of(large + b" "), headers=headers)
    problem_of(chunked, 413, "content-too-large")


@pytest.mark.parametrize("length", ["-1", "x", "1e9", ""])
async def test_a_length_that_is_none_does_no_harm(client: httpx.AsyncClient, length: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": length}
    assert (await client.post("/v1/baskets", content=b"{}", headers=headers)).status_code < 500


# Bodies that are not what they should be.

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


@pytest.mark.parametrize("name", NO_JSON)
async def test_what_is_no_json_is_refused_and_not_echoed(client: httpx.AsyncClient, name: str) -> None:
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
async def test_a_value_that_cannot_be_meant_is_pointed_at(client: httpx.AsyncClient, name: str) -> None:
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


async def test_the_rule_is_told_without_the_library_s_preface(client: httpx.AsyncClient) -> None:
    answer = await post(client, {"code": "never", "unknown": 1})
    assert [entry["detail"] for entry in answer.json()["errors"]] == ["may not be that one", "unknown field"]


async def test_a_token_is_asked_for_before_the_body_is_judged(
    client: httpx.AsyncClient, mint: TokenMint
) -> None:
    refused = await post(client, {"unknown": 1}, "/v1/guarded")
    problem_of(refused, 401, "unauthorized")
    answer = await client.post("/v1/guarded", json={"unknown": 1}, headers=mint.headers())
    problem_of(answer, 422, "invalid-request")


def test_responses_of_a_route_are_described_with_an_example_each() -> None:
    responses = problem_responses(Conflict, NotFound, InvalidRequest)
    assert set(responses) == {404, 409, 422}
    content = responses[409]["content"]["application/problem+json"]
    assert content["examples"]["conflict"]["value"]["type"] == "/problems/conflict"
