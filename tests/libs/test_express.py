"""The express lane gives what the ordinary way gives, only sooner."""

import functools
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter
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

from dbcommon.engine import Database
from dbcommon.reads import PreparedRead
from dbcommon.session import DatabaseDep
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.servers import TestServer
from tests.tokens import TokenMint
from webcommon.app import Service
from webcommon.bearer import CallerDep
from webcommon.express import collect_express_routes, express
from webcommon.problems import Conflict
from webcommon.schemas import ResponseBody
from webcommon.settings import ServiceSettings

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


ordinary = APIRouter()
quick = APIRouter()
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
        "/quick/echo",
        "/quick/conflict",
        "/quick/broken",
    }
    async with running(app) as client:
        answers = [await client.get(f"/{way}{path}", headers=headers) for way in ("quick", "ordinary")]
    assert essence(answers[0]) == essence(answers[1])
    for answer in answers:
        assert "hunter2" not in answer.text
        assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]


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
