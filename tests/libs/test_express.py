"""The express lane gives what the ordinary way gives, only sooner."""

import functools
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Depends, Request, Response
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

from dbcommon.engine import Database
from dbcommon.reads import PreparedRead
from dbcommon.session import DatabaseDep
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.servers import TestServer
from tests.tokens import TokenMint
from webcommon.app import Service
from webcommon.bearer import CallerDep
from webcommon.express import LONGEST_BODY, ExpressLane, collect_express_routes, express
from webcommon.paging import CursorCodec
from webcommon.problems import Conflict
from webcommon.schemas import RequestBody, ResponseBody
from webcommon.settings import ServiceSettings
from webcommon.state import CursorsDep

ECHO = PreparedRead(select(bindparam("caller", type_=Uuid()).label("id"), literal("né").label("name")))


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


ordinary = APIRouter()
quick = APIRouter()
ordinary.post("/ordinary/things")(functools.partial(write_thing))
quick.post("/quick/things")(express(write_thing))
for path, endpoint in (("/echo", read_echo), ("/conflict", read_conflict), ("/broken", read_broken)):
    ordinary.get(f"/ordinary{path}")(functools.partial(endpoint))
    quick.get(f"/quick{path}")(express(endpoint))


class TinySettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")
    service: ClassVar[str] = "auth"
    port: int = 5500


def build(server: TestServer, mint: TokenMint) -> Service:
    settings = DatabaseSettings(url=server.url("auth"))
    tiny = TinySettings(secret=SecretStr("x" * 32), database=settings)
    database = Database(settings, application_name="express")
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
async def test_both_ways_answer_alike(
    bare_server: TestServer, mint: TokenMint, path: str, token: str
) -> None:
    headers = {"good": mint.headers(), "none": {}, "bad": {"Authorization": "Bearer x.y.z"}}[token]
    app = build(bare_server, mint)
    assert set(collect_express_routes([ordinary, quick])) == {
        ("POST", "/quick/things"),
        ("GET", "/quick/echo"),
        ("GET", "/quick/conflict"),
        ("GET", "/quick/broken"),
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
async def test_a_body_is_read_alike_on_both_ways(
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

    # With a length, or it would come in HTTP's chunks, which are not for the lane.
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
async def test_two_content_types_are_read_alike_on_both_ways(
    bare_server: TestServer, mint: TokenMint, kinds: tuple[str, str]
) -> None:
    headers = [*mint.headers().items(), *(("Content-Type", kind) for kind in kinds)]
    async with running(build(bare_server, mint)) as client:
        ways = [
            await client.post(f"/{way}/things", content=b'{"name": "a"}', headers=headers)
            for way in ("quick", "ordinary")
        ]
    assert essence(ways[0]) == essence(ways[1])


async def test_a_short_body_takes_the_lane(bare_server: TestServer, mint: TokenMint) -> None:
    app = build(bare_server, mint)
    lane = httpx.ASGITransport(ExpressLane(refuse, owner=app, routers=[quick]))
    body, headers = {"name": "a"}, mint.headers()
    async with running(app), httpx.AsyncClient(transport=lane, base_url="http://lane") as client:
        assert (await client.post("/quick/things", json=body, headers=headers)).json()["sent"]["name"] == "a"
        with pytest.raises(AssertionError, match="the ordinary way"):
            await client.post("/quick/things?way=round", json=body, headers=headers)


async def refuse(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("the ordinary way")


async def test_other_methods_and_unknown_paths_go_the_ordinary_way(
    bare_server: TestServer, mint: TokenMint
) -> None:
    async with running(build(bare_server, mint)) as client:
        assert (await client.post("/quick/echo")).status_code == 405
        assert (await client.get("/quick/echo/")).status_code == 404
        assert (await client.get("/v1/nothing")).status_code == 404


async def test_both_ways_are_counted_under_the_route(bare_server: TestServer, mint: TokenMint) -> None:
    async with running(build(bare_server, mint)) as client:
        await client.get("/quick/echo", headers=mint.headers())
        await client.get("/ordinary/echo", headers=mint.headers())
        metrics = (await client.get("/metrics")).text
    for way in ("quick", "ordinary"):
        assert f'http_requests_total{{method="GET",route="/{way}/echo",status="200"}} 1.0' in metrics


async def test_route_that_asks_for_more_is_refused_when_the_application_is_built() -> None:
    other = APIRouter()

    @other.get("/v1/things")
    @express
    async def read_things(limit: int) -> Echo:
        raise AssertionError(limit)

    with pytest.raises(TypeError, match="cannot be express"):
        collect_express_routes([other])


def wait_for_nothing(connection: HTTPConnection) -> str:
    return connection.url.path


async def read_path(path: Annotated[str, Depends(wait_for_nothing)]) -> Echo:
    raise AssertionError(path)


async def test_what_the_lane_would_do_otherwise_is_refused_when_the_application_is_built() -> None:
    in_a_thread, guarded = APIRouter(), APIRouter()
    in_a_thread.get("/v1/path")(express(read_path))
    guarded.get("/v1/broken", dependencies=[Depends(wait_for_nothing)])(express(read_broken))
    for router in (in_a_thread, guarded):
        with pytest.raises(TypeError, match="cannot be express"):
            collect_express_routes([router])


@pytest.mark.parametrize(
    "statement",
    [
        select(column("a", PickleType())),
        select(column("a", ARRAY(PickleType()))),
        select(column("a", Text())).where(column("n", Integer()).in_(bindparam("numbers", expanding=True))),
    ],
    ids=["converted in Python", "array of such", "expanding list"],
)
def test_prepared_read_refuses_what_only_sqlalchemy_can_run(statement: Select[*tuple[Any, ...]]) -> None:
    with pytest.raises(ValueError, match=r"fetch_one|ANY"):
        PreparedRead(statement)


def test_prepared_read_names_the_parameter_that_is_missing() -> None:
    read = PreparedRead(select(func.abs(bindparam("number", type_=Integer()))))
    with pytest.raises(KeyError, match="number"):
        read.arguments({})
