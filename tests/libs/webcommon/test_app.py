"""The application that every service is built on: browsers of registered origins, its state, and its life."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

import httpx
import pytest
from fastapi import APIRouter
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from tests.clients import running
from tests.libs.faulty_app import problem_of
from tests.tokens import TokenMint
from webcommon.api.schemas import RequestBody, ResponseBody
from webcommon.app.fast_path import fast_path
from webcommon.app.service import Service
from webcommon.auth.bearer import CallerDep
from webcommon.settings import ServiceSettings

ORIGIN = "https://app.example"
router = APIRouter()


class Answer(ResponseBody):
    number: int


class Question(RequestBody):
    text: str


@router.get("/v1/answers/{number}")
async def read_answer(number: int) -> Answer:
    return Answer(number=number)


@router.get("/v1/own")
@fast_path
async def read_own(caller: CallerDep) -> Answer:
    return Answer(number=1)


@router.post("/v1/questions")
async def ask_question(question: Question, caller: CallerDep) -> Answer:
    return Answer(number=len(question.text))


@router.get("/v1/broken")
async def read_broken() -> None:
    raise RuntimeError("broken")


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TINY_")
    service: ClassVar[str] = "tiny"
    port: int = 1


def build(mint: TokenMint, *, origins: str = f"{ORIGIN}, http://localhost:5173") -> Service:
    settings = Settings(secret=SecretStr("s" * 32), cors_origins=origins)
    return Service(
        settings,
        version="1.2.3",
        title="Tiny",
        description="A description.",
        routers=[router],
        database=None,
        issuers=[mint.issuer],
    )


@pytest.fixture(scope="module")
async def client(mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    async with running(build(mint)) as started:
        yield started


# Browsers.


def preflight(
    origin: str, *, method: str = "POST", headers: str = "authorization,content-type"
) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:5173"])
async def test_a_registered_origin_may_ask_with_its_credentials(
    client: httpx.AsyncClient, origin: str
) -> None:
    asked = await client.options("/v1/questions", headers=preflight(origin))
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == origin
    assert asked.headers["access-control-allow-credentials"] == "true"
    assert "x-request-id" in asked.headers
    answer = await client.get("/v1/answers/1", headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert "Origin" in answer.headers["vary"]
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]


async def test_a_cache_keeps_an_answer_to_no_page_from_pages(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/answers/1")
    assert answer.headers.get_list("vary") == ["Origin"]
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.evil.example",
        "http://app.example",
        "https://app.example:444",
        "https://app.example/",
        "https://APP.example",
        "null",
        "*",
        "",
    ],
)
async def test_no_other_origin_is_let_in(client: httpx.AsyncClient, origin: str) -> None:
    asked = await client.options("/v1/questions", headers=preflight(origin))
    assert "access-control-allow-origin" not in asked.headers
    answer = await client.get("/v1/answers/1", headers={"Origin": origin})
    assert answer.headers.get("access-control-allow-origin") != origin
    assert answer.headers.get("access-control-allow-origin") != "*"


@pytest.mark.parametrize(
    ("origin", "method", "headers", "reason"),
    [
        ("https://evil.example", "POST", "authorization", "origin"),
        (ORIGIN, "BREW", "authorization", "method"),
        (ORIGIN, "POST", "x-strange", "headers"),
    ],
)
async def test_a_refused_preflight_is_a_problem_document_that_says_why(
    client: httpx.AsyncClient, origin: str, method: str, headers: str, reason: str
) -> None:
    asked = await client.options("/v1/questions", headers=preflight(origin, method=method, headers=headers))
    document = problem_of(asked, 400, "preflight-refused")
    assert f"Not allowed: {reason}." in document["detail"]
    assert asked.headers["content-length"] == str(len(asked.content))
    assert "Origin" in asked.headers["vary"]


@pytest.mark.parametrize(
    "name", ["authorization", "content-type", "idempotency-key", "if-match", "x-request-id"]
)
async def test_the_headers_that_clients_need_may_be_sent(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.options("/v1/questions", headers=preflight(ORIGIN, headers=name))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/own", 401),
        ("GET", "/nowhere", 404),
        ("GET", "/v1/questions", 405),
        ("GET", "/v1/answers/x", 422),
        ("GET", "/v1/broken", 500),
        ("POST", "/v1/questions", 413),
    ],
)
async def test_a_browser_is_shown_refusals_and_failures_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    content = b"x" * (2 * 1024 * 1024) if status == 413 else b""
    answer = await client.request(method, path, content=content, headers={"Origin": ORIGIN})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_route_of_the_fast_path_answers_browsers_alike(
    client: httpx.AsyncClient, mint: TokenMint
) -> None:
    plain = await client.get("/v1/own", headers=mint.headers())
    browser = await client.get("/v1/own", headers={**mint.headers(), "Origin": ORIGIN})
    assert plain.json() == browser.json() == {"number": 1}
    assert browser.headers["access-control-allow-origin"] == ORIGIN


async def test_without_registered_origins_no_browser_is_let_in(mint: TokenMint) -> None:
    async with running(build(mint, origins="")) as client:
        asked = await client.options("/v1/questions", headers=preflight(ORIGIN))
        answer = await client.get("/v1/answers/1", headers={"Origin": ORIGIN})
    assert asked.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


# Paths.


@pytest.mark.parametrize("path", ["/v1/own/", "/v1/questions/", "/v1/answers/1/", "/livez/", "/docs/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_path_with_a_slash_too_many_is_not_found_and_leads_nowhere(
    client: httpx.AsyncClient, path: str, method: str
) -> None:
    answer = await client.request(method, path, headers={"Host": "evil.example"})
    problem_of(answer, 404, "not-found")
    assert "location" not in answer.headers


# State and life.


async def test_the_lifespan_runs_inside_of_the_service_s_own() -> None:
    told: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Service) -> AsyncIterator[None]:
        told.append(f"began with an open client: {not app.http.is_closed}")
        yield
        told.append(f"ended with an open client: {not app.http.is_closed}")

    settings = Settings(secret=SecretStr("s" * 32))
    app = Service(
        settings, version="0", title="T", description="", routers=[], database=None, lifespan=lifespan
    )
    async with running(app) as client:
        assert (await client.get("/readyz")).status_code == 200
    assert told == ["began with an open client: True", "ended with an open client: True"]
    assert app.http.is_closed


async def test_a_service_that_is_told_to_stop_is_not_ready_and_still_alive(mint: TokenMint) -> None:
    app = build(mint)
    async with running(app) as client:
        app.health.draining = True
        ready, alive = await client.get("/readyz"), await client.get("/livez")
        report, answer = await client.get("/health"), await client.get("/v1/answers/7")
    assert (ready.status_code, alive.status_code, report.status_code) == (503, 200, 503)
    assert ready.headers["retry-after"]
    assert answer.json() == {"number": 7}


async def test_without_a_database_the_service_is_healthy_by_itself(client: httpx.AsyncClient) -> None:
    report = await client.get("/health")
    assert report.headers["content-type"] == "application/health+json"
    assert report.json() | {"uptime_seconds": 0} == {
        "status": "pass",
        "service": "tiny",
        "version": "1.2.3",
        "uptime_seconds": 0,
        "checks": None,
        "persistence": None,
    }


async def test_replicas_with_one_secret_share_their_cursors(mint: TokenMint) -> None:
    first, second = build(mint), build(mint)
    cursor = first.cursors.encode("list", ["a"])
    assert second.cursors.decode("list", cursor) == ["a"]


# Components.


@dataclass(frozen=True)
class _Kettle:
    litres: int = 1


@dataclass(frozen=True)
class _Kitchen:
    kettle: _Kettle | None
    spare: _Kettle | None = None


def test_a_component_is_found_by_its_type(mint: TokenMint) -> None:
    app = build(mint)
    app.keep(_Kitchen(_Kettle(2)))
    assert app.component(_Kettle).litres == 2
    assert app.component(_Kitchen).kettle is app.component(_Kettle)


def test_a_part_that_is_left_out_is_told_by_its_name(mint: TokenMint) -> None:
    app = build(mint)
    app.keep(_Kitchen(None))
    assert app.find_component(_Kettle) is None
    with pytest.raises(LookupError, match="_Kettle"):
        app.component(_Kettle)


def test_two_components_of_one_type_are_refused(mint: TokenMint) -> None:
    with pytest.raises(TypeError, match="_Kettle"):
        build(mint).keep(_Kitchen(_Kettle(1), _Kettle(2)))
