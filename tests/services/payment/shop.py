"""Shared steps of the tests: offer a product, place an order."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import httpx

from tests.tokens import TokenMint

Headers = dict[str, str]
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Shop:
    """A client with the headers of an admin and of any number of customers."""

    def __init__(self, client: httpx.AsyncClient, mint: TokenMint) -> None:
        self.client = client
        self.mint = mint
        # Longer than the longest drill.
        self.admin: Headers = mint.headers(roles=("user", "admin"), exp=int(time.time()) + 24 * 3600)
        self._numbers = itertools.count(1)

    def buyer(self, user_id: UUID | None = None) -> Headers:
        """The headers of a signed-in customer."""
        return self.mint.headers(user_id=user_id or uuid4())

    async def offer(self, **fields: Any) -> dict[str, Any]:
        """A new product; `fields` replace the default ones."""
        usual = {
            "sku": f"sku-{next(self._numbers)}",
            "name": "Earl Grey",
            "unit_price": "12.50",
            "currency": "eur",
        }
        answer = await self.client.post("/v1/products", json=usual | fields, headers=self.admin)
        assert answer.status_code == 201, answer.text
        product: dict[str, Any] = answer.json()
        return product

    async def order(
        self, lines: dict[str, int] | list[Any], *, buyer: Headers | None = None, key: str | None = None
    ) -> httpx.Response:
        """The response to an order of `{sku: quantity}`, or of exactly these `items`."""
        items = lines
        if isinstance(lines, dict):
            items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
        headers = (buyer or self.buyer()) | {"Idempotency-Key": key or str(uuid4())}
        return await self.client.post("/v1/orders", json={"items": items}, headers=headers)

    async def placed(
        self, lines: dict[str, int], *, buyer: Headers | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """A new order; it must succeed."""
        answer = await self.order(lines, buyer=buyer, key=key)
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        return order


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and type of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    return answer.status_code, document["type"].removeprefix("/problems/")


def pointers(answer: httpx.Response) -> list[str]:
    """The pointers of a refusal's `errors`."""
    return [error["pointer"] for error in answer.json()["errors"]]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds, for half a minute at least."""
    for _ in range(3000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")
