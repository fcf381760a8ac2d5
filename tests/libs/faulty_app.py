"""An application whose routes fail in every way, and the check of a refusal's form."""

import json
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote
from uuid import UUID

import httpx
from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query
from fastapi.responses import PlainTextResponse
from pydantic import AnyUrl, BaseModel, EmailStr, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy.exc import DBAPIError

from dbcommon.errors import DatabaseBusy, DatabaseUnavailable, PoolExhausted
from tests.tokens import TokenMint
from webcommon.api.problems import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from webcommon.api.schemas import JsonObject, RequestBody, Text
from webcommon.app.service import Service
from webcommon.auth.bearer import CallerDep
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
    secret: Annotated[SecretStr, Field(min_length=1, max_length=512)] | None = None
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


def build(mint: TokenMint) -> Service:
    """The application, with tokens of `mint`."""
    settings = Settings(secret=SecretStr("s" * 32))
    return Service(
        settings,
        version="0",
        title="Tiny",
        description="",
        routers=[router],
        database=None,
        issuers=[mint.issuer],
    )


def problem_of(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document of an answer, after checking the members that every one has."""
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


async def chunks_of(body: bytes) -> AsyncIterator[bytes]:
    """`body` in pieces, for a request without a length."""
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]
