"""The fast path answers as FastAPI does."""

import functools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from sqlalchemy import (
    ARRAY,
    Integer,
    PickleType,
    Select,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    literal,
    select,
)
from starlette.types import Receive, Scope, Send

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.session import DatabaseDep, SessionDep
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.servers import TestServer
from tests.tokens import TokenMint
from webcommon.api.paging import CursorCodec, LimitParameter
from webcommon.api.problems import Conflict
from webcommon.api.schemas import RequestBody, ResponseBody
from webcommon.app.fast_path import LONGEST_BODY, FastPath, FastRoutes, fast_path
from webcommon.app.service import Service
from webcommon.app.state import CursorsDep
from webcommon.auth.bearer import CallerDep
from webcommon.settings import ServiceSettings

ECHO = DriverStatement(select(bindparam("caller", type_=Uuid()).label("id"), literal("né").label("name")))


class Echo(ResponseBody):
    id: UUID
    name: str


async def read_echo(caller: CallerDep, database: DatabaseDep) -> Echo:
    row = await database.fetch_record(ECHO, caller=caller.id)
    assert row is not None
    return Echo.model_validate(dict(row))


async def read_conflict(caller: CallerDep) -> Echo:
    raise Conflict("not now")


async def read_broken() -> Echo:
    raise RuntimeError("hunter2")


class Thing(RequestBody):
    name: str
    size: int = 1


async def write_thing(
    request: Request, caller: CallerDep, cursors: CursorsDep, body: Thing | None = None, way: str = "plain"
) -> Response:
    assert isinstance(cursors, CursorCodec)
    shown = {"way": way, "sent": None if body is None else body.model_dump(), "by": str(caller.id)}
    return JSONResponse(shown | {"bytes": len(await request.body())})


class ShelfCaller:
    """A dependency that has one of its own."""

    async def __call__(self, caller: CallerDep, connection: HTTPConnection) -> UUID:
        assert connection.path_params
        return caller.id


async def find_owner(caller: Annotated[UUID, Depends(ShelfCaller())], again: CallerDep) -> str:
    assert caller == again.id
    return str(caller)


async def read_shelf(
    shelf: Annotated[int, Path(ge=0)],
    owner: Annotated[str, Depends(find_owner)],
    limit: LimitParameter = 50,
    tag: Annotated[Sequence[str], Query()] = (),
) -> Response:
    return JSONResponse({"shelf": shelf, "limit": limit, "tags": list(tag), "by": owner})


async def read_first_shelf() -> dict[str, str]:
    return {"shelf": "first"}


ordinary = APIRouter()
quick = APIRouter()
for each, way, reading in (
    (ordinary, "ordinary", functools.partial(read_shelf)),
    (quick, "quick", fast_path(read_shelf)),
):
    each.get(f"/{way}/shelves/first")(read_first_shelf)
    each.get(f"/{way}/shelves/{{shelf}}", dependencies=[Depends(find_owner)])(reading)
ordinary.post("/ordinary/things")(functools.partial(write_thing))
quick.post("/quick/things")(fast_path(write_thing))
for path, endpoint in (("/echo", read_echo), ("/conflict", read_conflict), ("/broken", read_broken)):
    ordinary.get(f"/ordinary{path}")(functools.partial(endpoint))
    quick.get(f"/quick{path}")(fast_path(endpoint))


class TinySettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")
    service: ClassVar[str] = "auth"
    port: int = 5500


def build(server: TestServer, mint: TokenMint) -> Service:
    settings = DatabaseSettings(url=server.url("auth"))
    tiny = TinySettings(secret=SecretStr("x" * 32), database=settings)
    database = Database(settings, application_name="fast-path")
    return Service(
        tiny,
        version="1",
        title="Tiny",
        description="",
        routers=[ordinary, quick],
        database=database,
        issuers=[mint.issuer],
    )


def essence(response: httpx.Response) -> tuple[int, str | None, dict[str, object], str | None]:
    told_apart = {"request_id", "instance"}
    body = {name: value for name, value in response.json().items() if name not in told_apart}
    return (
        response.status_code,
        response.headers.get("content-type"),
        body,
        response.headers.get("www-authenticate"),
    )


@pytest.mark.parametrize("path", ["/echo", "/conflict", "/broken"])
@pytest.mark.parametrize("token", ["good", "none", "bad"])
async def test_both_paths_give_the_same_answer(
    bare_server: TestServer, mint: TokenMint, path: str, token: str
) -> None:
    headers = {"good": mint.headers(), "none": {}, "bad": {"Authorization": "Bearer x.y.z"}}[token]
    app = build(bare_server, mint)
    assert FastRoutes([ordinary, quick]).paths() == {
        ("POST", "/quick/things"),
        ("GET", "/quick/echo"),
        ("GET", "/quick/conflict"),
        ("GET", "/quick/broken"),
        ("GET", "/quick/shelves/{shelf}"),
    }
    async with running(app) as client:
        answers = [await client.get(f"/{way}{path}", headers=headers) for way in ("quick", "ordinary")]
    assert essence(answers[0]) == essence(answers[1])
    for answer in answers:
        assert "hunter2" not in answer.text
        assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]


JSON = {"Content-Type": "application/json"}
LONG = "x" * (2 * LONGEST_BODY)


@pytest.mark.parametrize(
    ("query", "content", "headers"),
    [
        ("", b'{"name": "a", "size": 2}', JSON),
        ("", b'{"name": "a"}', {"Content-Type": "application/json; charset=utf-8"}),
        ("?way=round", b'{"name": "a"}', JSON),
        ("?way=1&way=2&other=3", b'{"name": "a"}', JSON),
        ("", b"", {}),
        ("", b"null", JSON),
        ("", b"{}", JSON),
        ("", b'{"name": "a", "size": "many"}', JSON),
        ("", b'{"name": "a", "more": 1}', JSON),
        ("", b'{"name": "\\ud800"}', JSON),
        ("", b'{"name": "\xff"}', JSON),
        ("", b'{"name"', JSON),
        ("", b'{"name": "a"}', {"Content-Type": "text/plain"}),
        ("", b'{"name": "a"}', {}),
        ("", json.dumps({"name": LONG}).encode(), JSON),
        ("", b" " * 2**21, JSON),
    ],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_both_paths_read_a_body_alike(
    bare_server: TestServer,
    mint: TokenMint,
    query: str,
    content: bytes,
    headers: dict[str, str],
    in_pieces: bool,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        size = max(1, len(content) // 3)
        for start in range(0, len(content), size):
            yield content[start : start + size]

    # With a Content-Length: the fast path does not take chunked bodies.
    sent = headers | mint.headers() | ({"Content-Length": str(len(content))} if in_pieces else {})
    async with running(build(bare_server, mint)) as client:
        ways = [
            await client.post(
                f"/{way}/things{query}",
                content=pieces() if in_pieces else content,
                headers=sent,
            )
            for way in ("quick", "ordinary")
        ]
    assert essence(ways[0]) == essence(ways[1])


@pytest.mark.parametrize("kinds", [("text/plain", "application/json"), ("application/json", "text/plain")])
async def test_both_paths_read_two_content_types_alike(
    bare_server: TestServer, mint: TokenMint, kinds: tuple[str, str]
) -> None:
    headers = [*mint.headers().items(), *(("Content-Type", kind) for kind in kinds)]
    async with running(build(bare_server, mint)) as client:
        ways = [
            await client.post(f"/{way}/things", content=b'{"name": "a"}', headers=headers)
            for way in ("quick", "ordinary")
        ]
    assert essence(ways[0]) == essence(ways[1])


async def test_a_valid_request_takes_the_fast_path(bare_server: TestServer, mint: TokenMint) -> None:
    app = build(bare_server, mint)
    lane = httpx.ASGITransport(FastPath(refuse, owner=app, routers=[quick]))
    body, headers = {"name": "a"}, mint.headers()
    async with running(app), httpx.AsyncClient(transport=lane, base_url="http://lane") as client:
        assert (await client.post("/quick/things", json=body, headers=headers)).json()["sent"]["name"] == "a"
        round_about = await client.post("/quick/things?way=round", json=body, headers=headers)
        assert round_about.json()["way"] == "round"
        shelf = await client.get("/quick/shelves/7?limit=3&tag=a&tag=b", headers=headers)
        assert shelf.json() | {"by": ""} == {"shelf": 7, "limit": 3, "tags": ["a", "b"], "by": ""}
        for wrong in ("/quick/shelves/seven", "/quick/shelves/7?limit=0", "/quick/shelves/first"):
            with pytest.raises(AssertionError, match="the ordinary way"):
                await client.get(wrong, headers=headers)


async def refuse(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("the ordinary way")


async def test_other_methods_and_unknown_paths_take_the_ordinary_path(
    bare_server: TestServer, mint: TokenMint
) -> None:
    async with running(build(bare_server, mint)) as client:
        assert (await client.post("/quick/echo")).status_code == 405
        assert (await client.get("/quick/echo/")).status_code == 404
        assert (await client.get("/v1/nothing")).status_code == 404


async def test_both_paths_are_counted_under_the_route(bare_server: TestServer, mint: TokenMint) -> None:
    async with running(build(bare_server, mint)) as client:
        await client.get("/quick/echo", headers=mint.headers())
        await client.get("/ordinary/echo", headers=mint.headers())
        metrics = (await client.get("/metrics")).text
    for way in ("quick", "ordinary"):
        assert f'http_requests_total{{method="GET",route="/{way}/echo",status="200"}} 1.0' in metrics


@pytest.mark.parametrize("token", ["good", "none"])
@pytest.mark.parametrize(
    "path",
    [
        "/shelves/7",
        "/shelves/7?limit=3",
        "/shelves/7?limit=&tag=",
        "/shelves/7?limit=3&limit=4&tag=a&tag=b&other=1",
        "/shelves/7?limit=0",
        "/shelves/7?limit=many&tag=%00",
        "/shelves/seven",
        "/shelves/seven?limit=0",
        "/shelves/-1",
        "/shelves/%37",
        "/shelves/7%2F8",
        "/shelves/7/",
        "/shelves/first",
    ],
)
async def test_both_paths_read_parameters_alike(
    bare_server: TestServer, mint: TokenMint, path: str, token: str
) -> None:
    headers = mint.headers() if token == "good" else {}
    async with running(build(bare_server, mint)) as client:
        ways = [await client.get(f"/{way}{path}", headers=headers) for way in ("quick", "ordinary")]
        heads = [await client.head(f"/{way}{path}", headers=headers) for way in ("quick", "ordinary")]
        templates = (await client.get("/metrics")).text
    assert essence(ways[0]) == essence(ways[1])
    assert [head.status_code for head in heads] == [ways[1].status_code] * 2
    assert heads[0].content == heads[1].content == b""
    if ways[1].status_code == 200:
        assert heads[0].headers["content-length"] == heads[1].headers["content-length"]
        for way in ("quick", "ordinary"):
            template = "/shelves/first" if path == "/shelves/first" else "/shelves/{shelf}"
            assert f'method="GET",route="/{way}{template}",status="200"}} 1.0' in templates


async def test_an_override_of_a_dependency_takes_the_ordinary_path(
    bare_server: TestServer, mint: TokenMint
) -> None:
    app = build(bare_server, mint)
    app.dependency_overrides[find_owner] = name_nobody
    async with running(app) as client:
        answer = await client.get("/quick/shelves/7", headers=mint.headers())
    assert answer.json()["by"] == "nobody"


async def name_nobody() -> str:
    return "nobody"


def wait_for_nothing(connection: HTTPConnection) -> str:
    return connection.url.path


async def read_path(path: Annotated[str, Depends(wait_for_nothing)]) -> Echo:
    raise AssertionError(path)


async def set_a_header(response: Response) -> Echo:
    raise AssertionError(response)


async def write_in_a_transaction(db: SessionDep) -> Echo:
    raise AssertionError(db)


@pytest.mark.parametrize("endpoint", [read_path, set_a_header, write_in_a_transaction])
def test_a_route_that_the_fast_path_cannot_serve_is_refused_when_the_application_is_built(
    endpoint: Any,
) -> None:
    router, guarded = APIRouter(), APIRouter(dependencies=[Depends(wait_for_nothing)])
    router.get("/v1/path")(fast_path(endpoint))
    guarded.get("/v1/broken")(fast_path(read_broken))
    for refused in (router, guarded):
        with pytest.raises(TypeError, match="cannot take the fast path"):
            FastRoutes([refused])


@pytest.mark.parametrize(
    "statement",
    [
        select(column("a", PickleType())),
        select(column("a", ARRAY(PickleType()))),
        select(column("a", Text())).where(column("n", Integer()).in_(bindparam("numbers", expanding=True))),
    ],
    ids=["converted in Python", "array of such", "expanding list"],
)
def test_a_driver_statement_refuses_what_only_sqlalchemy_can_run(statement: Select[*tuple[Any, ...]]) -> None:
    with pytest.raises(ValueError, match=r"fetch_one|ANY"):
        DriverStatement(statement)


def test_a_driver_statement_names_the_missing_parameter() -> None:
    read = DriverStatement(select(func.abs(bindparam("number", type_=Integer()))))
    with pytest.raises(KeyError, match="number"):
        read.arguments({})
