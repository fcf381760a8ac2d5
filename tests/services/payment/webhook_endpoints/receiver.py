"""A server that receives webhooks, over real sockets, and a shop that has endpoints."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from dbcommon.engine import Database
from payment.models import OrderEventType
from payment.orders.service import append_order_event
from payment.webhook_endpoints.addresses import Address, AddressPolicy
from payment.webhook_endpoints.metrics import DeliveryMetrics
from payment.webhook_endpoints.sending import Resolver, Sender
from payment.webhook_endpoints.signatures import EndpointSecrets
from payment.webhook_endpoints.worker import DeliveryWorker
from tests.clients import certificates
from tests.services.payment.shop import Shop, Sql
from webcommon.app.service import Service

TIMEOUT_SECONDS = 30.0
"""Of a request, on a busy machine; a test that is about it has its own."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request that arrived."""

    head: str
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event in the body."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    def header(self, name: str) -> str:
        """The value of a header."""
        lines = dict(line.split(": ", 1) for line in self.head.split("\r\n")[1:] if line)
        return {key.lower(): value for key, value in lines.items()}[name.lower()]


@dataclass(kw_only=True)
class Receiver:
    """Answers requests with the `answers`, one each, and 204 when there are none left."""

    answers: list[bytes] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    drips: bytes | None = None
    """What it sends again and again instead of an answer."""
    hold: asyncio.Event | None = None
    """Until it is set, nothing is answered."""
    port: int = 0
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?a=%20b"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if (task := asyncio.current_task()) is not None:
            self.tasks.add(task)
        with (
            contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError),
            contextlib.closing(writer),
        ):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            request = Received(head=head, body=b"")
            body = await reader.readexactly(int(request.header("content-length")))
            self.received.append(Received(head=head, body=body))
            if self.hold is not None:
                await self.hold.wait()
            while self.drips is not None:
                writer.write(self.drips)
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(self.answers.pop(0) if self.answers else answer(204))
            await writer.drain()

    async def end(self) -> None:
        """Leave what is still being answered."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def ids(self) -> list[str]:
        """The ids of the events in the order in which they arrived."""
        return [request.event["id"] for request in self.received]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP response."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def receiving(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on 127.0.0.1 while the block runs."""
    receiver = Receiver(answers=list(answers))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.end()


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """The calls of an admin, and workers of the shop's application."""

    app: Service
    shop: Shop
    sql: Sql
    metrics: DeliveryMetrics

    async def call(self, method: str, path: str = "", **arguments: Any) -> httpx.Response:
        """A request of an admin below `/v1/webhook-endpoints`."""
        url = f"/v1/webhook-endpoints{path}"
        return await self.shop.client.request(method, url, headers=self.shop.admin, **arguments)

    async def subscribe(self, url: str, **fields: Any) -> dict[str, Any]:
        """A new endpoint."""
        made = await self.call("POST", json={"url": url} | fields)
        assert made.status_code == 201, made.text
        endpoint: dict[str, Any] = made.json()
        return endpoint

    async def deliveries(self, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
        """The endpoint's deliveries, newest first."""
        listed = await self.call("GET", f"/{endpoint['id']}/deliveries")
        assert listed.status_code == 200, listed.text
        items: list[dict[str, Any]] = listed.json()["items"]
        return items

    async def delivery(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's only delivery."""
        (delivery,) = await self.deliveries(endpoint)
        return delivery

    async def look(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """The endpoint as it is shown."""
        shown = await self.call("GET", f"/{endpoint['id']}")
        assert shown.status_code == 200, shown.text
        found: dict[str, Any] = shown.json()
        return found

    async def order(self) -> dict[str, Any]:
        """A new order."""
        product = await self.shop.offer()
        return await self.shop.placed({product["sku"]: 1})

    async def append(
        self, order: dict[str, Any], kind: OrderEventType = "order.paid", *, key: str | None = None
    ) -> None:
        """An event of the order, in a transaction of its own."""
        async with self.app.component(Database).transaction() as db:
            await append_order_event(db, kind, order_id=UUID(order["id"]), change_key=key or str(uuid4()))

    def worker(
        self,
        *,
        policy: AddressPolicy | None = None,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> DeliveryWorker:
        """A worker as another process would have one."""
        sender = Sender(
            policy=policy or self.app.component(AddressPolicy),
            timeout_seconds=timeout_seconds,
            tls=tls or certificates(),
            **({} if resolver is None else {"resolver": resolver}),
        )
        return DeliveryWorker(
            self.app.component(Database),
            sender=sender,
            secrets=self.app.component(EndpointSecrets),
            metrics=self.metrics,
            pause_seconds=3600,
        )

    async def deliver(self, worker: DeliveryWorker | None = None) -> None:
        """Send all that is due."""
        await (worker or self.worker()).deliver_due()

    async def make_due(self) -> None:
        """End the pauses of all deliveries."""
        await self.sql.execute("UPDATE webhook_deliveries SET due_at = now()")


def resolving(*addresses: Address, asked: list[str] | None = None) -> Resolver:
    """A resolver that gives these addresses for every name."""

    async def resolve(host: str, port: int) -> list[Address]:
        if asked is not None:
            asked.append(host)
        return list(addresses)

    return resolve
