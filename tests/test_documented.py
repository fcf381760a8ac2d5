"""The clients of the tests refuse answers that a service's OpenAPI document does not allow."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from tests.clients import running
from tests.documented import DocumentedAnswers, NotAsDocumented
from webcommon.api.schemas import ResponseBody
from webcommon.app.service import Service
from webcommon.settings import ServiceSettings


class Basket(ResponseBody):
    id: UUID
    apples: int
    picked_at: datetime
    label: str | None


RIGHT = {
    "id": "019aa8a1-8c7b-7d3e-9f1a-3a9d6f0b2c4d",
    "apples": 3,
    "picked_at": "2026-11-22T18:30:00Z",
    "label": None,
}
PROBLEM_TYPE = "application/problem+json"
PROBLEM = {"type": "about:blank", "title": "It is too late", "status": 503, "detail": None, "instance": None}

ANSWERS: dict[str, Response] = {}
"""What the routes below answer, whatever they are documented to; each test says."""

router = APIRouter()


@router.get("/v1/baskets/newest", operation_id="read_newest")
async def read_newest() -> dict[str, str]:
    return {"is": "a name that the next path would take for an id"}


@router.get(
    "/v1/baskets/{basket_id}",
    operation_id="read_basket",
    response_model=Basket,
    responses={304: {"description": "unchanged"}},
)
async def read_basket(basket_id: str) -> Response:
    return ANSWERS[basket_id]


@router.delete("/v1/baskets/{basket_id}", operation_id="empty_basket", status_code=204)
async def empty_basket(basket_id: str) -> Response:
    return ANSWERS[basket_id]


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TINY_")
    service: ClassVar[str] = "tiny"
    port: int = 1


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(secret=SecretStr("s" * 32))
    app = Service(settings, version="0", title="Baskets", description="", routers=[router], database=None)
    async with running(app) as started:
        yield started


async def ask(client: httpx.AsyncClient, answer: Response, method: str = "GET") -> httpx.Response:
    ANSWERS["one"] = answer
    return await client.request(method, "/v1/baskets/one")


async def test_what_is_documented_is_taken(client: httpx.AsyncClient) -> None:
    assert (await ask(client, JSONResponse(RIGHT))).json() == RIGHT
    assert (await ask(client, JSONResponse(PROBLEM, 503, media_type=PROBLEM_TYPE))).json() == PROBLEM
    assert (await client.get("/v1/baskets/newest")).status_code == 200


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (JSONResponse(RIGHT | {"apples": "three"}), 'is wrong at /apples: "three" is not of type "integer"'),
        (JSONResponse({**RIGHT, "label": 1}), "is wrong at /label: 1 is not"),
        (JSONResponse(3), 'is wrong at /: 3 is not of type "object"'),
        (JSONResponse({}), 'is wrong at /: "id" is a required property'),
        (JSONResponse(RIGHT | {"id": "one"}), 'is wrong at /id: "one" is not a "uuid"'),
        (JSONResponse(RIGHT | {"picked_at": "now"}), 'is wrong at /picked_at: "now" is not a "date-time"'),
        (Response(b"{", media_type="application/json"), "is no JSON"),
        (PlainTextResponse("3 apples"), "is text/plain, not application/json"),
        (JSONResponse(RIGHT, media_type=PROBLEM_TYPE), "is application/problem+json, not application/json"),
        (Response(), "is of no media type, not application/json"),
        (JSONResponse(RIGHT, status_code=304), "has a body where none is documented"),
        (JSONResponse(PROBLEM, 503), "is application/json, not application/problem+json"),
        (
            JSONResponse({"title": "Late"}, 503, media_type=PROBLEM_TYPE),
            'is wrong at /: "type" is a required',
        ),
    ],
)
async def test_an_answer_that_differs_is_refused(
    client: httpx.AsyncClient, answer: Response, told: str
) -> None:
    with pytest.raises(NotAsDocumented) as refused:
        await ask(client, answer)
    assert f"GET /v1/baskets/one: the answer {answer.status_code} {told}" in str(refused.value)


async def test_a_body_is_refused_where_none_is_documented(client: httpx.AsyncClient) -> None:
    assert (await ask(client, Response(status_code=204), "DELETE")).content == b""
    with pytest.raises(NotAsDocumented, match="204 has a body where none is documented"):
        await ask(client, JSONResponse(RIGHT, status_code=204), "DELETE")


async def test_what_is_not_documented_passes(client: httpx.AsyncClient) -> None:
    assert (await ask(client, PlainTextResponse("short and stout", 418))).status_code == 418
    assert (await ask(client, Response(status_code=304))).status_code == 304
    assert (await client.get("/v1/apples")).status_code == 404
    assert (await client.put("/v1/baskets/one")).status_code == 405
    assert (await ask(client, PlainTextResponse("of no apples"), "HEAD")).headers["content-length"] == "12"


def documented(**responses: Any) -> DocumentedAnswers:
    return DocumentedAnswers({"openapi": "3.1.0", "paths": {"/events": {"get": {"responses": responses}}}})


def answer(status: int, **content: Any) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "http://test/events"), **content)


async def test_a_status_without_an_entry_of_its_own_is_the_default() -> None:
    document = documented(
        default={"content": {"application/json": {"schema": {"type": "array"}}}},
        **{"404": {"content": {"application/json": {"schema": {"type": "string"}}}}},
    )
    await document.check(answer(200, json=[]))
    await document.check(answer(404, json="nothing"))
    await document.check(answer(204))
    for status, body in ((200, "nothing"), (404, [])):
        with pytest.raises(NotAsDocumented):
            await document.check(answer(status, json=body))


class Endless(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("nobody waits for the end of this")
        yield b""


async def test_a_stream_of_events_is_not_read() -> None:
    document = documented(**{"200": {"content": {"text/event-stream": {"schema": {"type": "string"}}}}})
    events = answer(200, headers={"Content-Type": "text/event-stream"}, stream=Endless())
    await document.check(events)
    assert not events.is_stream_consumed
