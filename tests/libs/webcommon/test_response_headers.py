"""Response headers for browsers and caches: the same from a route, the fast path and the framework."""

from collections.abc import AsyncIterator
from typing import ClassVar

import httpx
import pytest
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, SecretStr
from pydantic_settings import SettingsConfigDict

from tests.clients import running
from tests.tokens import TokenMint
from webcommon.app.fast_path import fast_path
from webcommon.app.service import Service
from webcommon.auth.bearer import CallerDep
from webcommon.settings import ServiceSettings

router = APIRouter()


class Own(BaseModel):
    subject: str


@router.get("/v1/own")
async def read_own(caller: CallerDep) -> Own:
    return Own(subject=str(caller.id))


@router.get("/v1/fast")
@fast_path
async def read_fast(caller: CallerDep) -> Own:
    return Own(subject=str(caller.id))


@router.get("/v1/kept")
async def read_kept(caller: CallerDep, response: Response) -> str:
    response.headers["Cache-Control"] = "private, max-age=60"
    return str(caller.id)


@router.get("/v1/plain", response_class=PlainTextResponse)
async def read_plain(response: Response) -> PlainTextResponse:
    return PlainTextResponse("plain", headers={"X-Content-Type-Options": "of-the-route"})


@router.get("/v1/step")
async def take_step() -> str:
    return "taken"


@router.get("/v1/broken")
async def read_broken() -> None:
    raise RuntimeError("broken")


@router.delete("/v1/own", status_code=204)
async def delete_own() -> None:
    return None


@router.patch("/v1/{name}")
async def change(name: str) -> str:
    return name


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TINY_")
    service: ClassVar[str] = "tiny"
    port: int = 1


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    mint = TokenMint()
    settings = Settings(secret=SecretStr("s" * 32), cors_origins="https://app.example.com")
    app = Service(
        settings,
        version="0",
        title="Tiny",
        description="",
        routers=[router],
        database=None,
        issuers=[mint.issuer],
        get_only={"/v1/step"},
    )
    async with running(app) as started:
        started.headers["Authorization"] = f"Bearer {mint.token()}"
        yield started


PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

ANSWERS = [
    ("GET", "/v1/own", 200),
    ("GET", "/v1/fast", 200),
    ("GET", "/v1/kept", 200),
    ("GET", "/v1/plain", 200),
    ("GET", "/v1/broken", 500),
    ("GET", "/nowhere", 404),
    ("POST", "/v1/own", 405),
    ("DELETE", "/v1/own", 204),
    ("GET", "/docs", 200),
    ("GET", "/docs/assets/swagger-ui.css", 200),
    ("GET", "/metrics", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_no_answer_is_taken_for_another_type_than_it_says(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    told = answer.headers.get_list("x-content-type-options")
    assert (answer.status_code, told) == (status, ["nosniff"])


async def test_the_answer_to_a_preflight_is_none_either(client: httpx.AsyncClient) -> None:
    answer = await client.options("/v1/own", headers=PREFLIGHT)
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")


@pytest.mark.parametrize("path", ["/v1/own", "/v1/fast", "/v1/broken", "/nowhere"])
async def test_json_is_not_stored_unless_its_route_says_so(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.headers.get_list("cache-control") == ["no-store"]


async def test_a_routes_cache_control_is_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/kept")
    assert answer.headers.get_list("cache-control") == ["private, max-age=60"]


@pytest.mark.parametrize("path", ["/v1/plain", "/docs", "/docs/assets/swagger-ui.css"])
async def test_files_and_pages_may_be_stored(client: httpx.AsyncClient, path: str) -> None:
    assert "cache-control" not in (await client.get(path)).headers


async def test_a_service_that_does_not_know_its_own_address_asks_for_no_https(
    client: httpx.AsyncClient,
) -> None:
    assert "strict-transport-security" not in (await client.get("/v1/own")).headers


async def test_a_204_has_no_type_and_no_length(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/v1/own")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not {"content-type", "content-length", "cache-control"} & set(answer.headers)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/own", "GET, HEAD, PATCH, DELETE"),
        ("BREW", "/v1/own", "GET, HEAD, PATCH, DELETE"),
        ("POST", "/v1/plain", "GET, HEAD, PATCH"),
        ("POST", "/v1/step", "GET, PATCH"),
        ("HEAD", "/v1/step", "GET, PATCH"),
        ("HEAD", "/v1/nothing-to-read", "PATCH"),
        ("POST", "/livez", "GET, HEAD"),
        ("DELETE", "/docs/assets/swagger-ui.css", "GET, HEAD"),
    ],
)
async def test_a_refused_method_is_told_those_of_every_route_of_the_path(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (405, allowed)


READ = ["/v1/own", "/v1/fast", "/v1/kept", "/v1/plain", "/v1/broken", "/openapi.json", "/docs"]


@pytest.mark.parametrize("token", ["given", "missing"])
@pytest.mark.parametrize("path", [*READ, "/nowhere", "/docs/assets/swagger-ui.css"])
async def test_head_of_any_route_tells_what_get_does_but_the_body(
    client: httpx.AsyncClient, path: str, token: str
) -> None:
    headers = {"X-Request-ID": "one"} | ({} if token == "given" else {"Authorization": ""})
    answer, whole = await client.head(path, headers=headers), await client.get(path, headers=headers)
    assert whole.content
    assert (answer.status_code, answer.headers, answer.content) == (whole.status_code, whole.headers, b"")
    assert int(answer.headers["content-length"]) == len(whole.content)


async def test_head_is_a_method_of_its_own_in_the_metrics(client: httpx.AsyncClient) -> None:
    await client.head("/v1/own")
    figures = (await client.get("/metrics")).text
    assert 'http_requests_total{method="HEAD",route="/v1/own",status="200"}' in figures


async def test_pages_of_other_origins_may_ask_by_head_with_a_token(client: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "HEAD", "Access-Control-Request-Headers": "Authorization"}
    assert (await client.options("/v1/own", headers=PREFLIGHT | asked)).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
async def test_head_tells_what_get_does_but_the_body(client: httpx.AsyncClient, path: str) -> None:
    answer, whole = await client.head(path), await client.get(path)
    assert (answer.status_code, answer.content) == (whole.status_code, b"")
    assert answer.headers["content-type"] == whole.headers["content-type"]
