"""The official client of Stripe at a stand-in, and a receiver of its webhooks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.openid_provider.server import listen
from standins.stripe.server import Server, running_standin
from standins.stripe.standin import StandIn
from standins.stripe.webhooks import Endpoint

KEY = "sk_test_0123456789abcdef"
PUBLISHABLE_KEY = "pk_test_0123456789abcdef"
SECRET = "whsec_0123456789abcdef"


@contextlib.asynccontextmanager
async def official_client(standin: StandIn, *, key: str = KEY) -> AsyncIterator[stripe.StripeClient]:
    """The asynchronous client, as it comes."""
    http = stripe.HTTPXClient(timeout=10)
    client = stripe.StripeClient(key, base_addresses={"api": standin.account.base_url}, http_client=http)
    yield client
    await http.close_async()  # type: ignore[no-untyped-call]


class Receiver:
    """What a webhook endpoint got. `answers`: the statuses of the next answers; then 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[int] = []
        self._got: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def take(self, request: Request) -> Response:
        """A delivery."""
        self._got.put_nowait((await request.body(), request.headers["stripe-signature"]))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    async def next(self, *, secret: str = SECRET) -> Any:
        """The next event, its signature checked by the official package."""
        body, signature = await asyncio.wait_for(self._got.get(), 10)
        return stripe.Webhook.construct_event(body, signature, secret).to_dict()

    async def types(self, count: int) -> list[str]:
        """The types of the next events."""
        return [(await self.next())["type"] for _ in range(count)]

    @property
    def is_empty(self) -> bool:
        """Whether nothing more has come."""
        return self._got.empty()


@contextlib.asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """A webhook endpoint that serves while the block runs."""
    listener = listen()
    receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}/hook")
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    server = Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    yield receiver
    server.should_exit = server.force_exit = True
    await task
    listener.close()


@contextlib.asynccontextmanager
async def running_pair() -> AsyncIterator[tuple[StandIn, Receiver]]:
    """A stand-in whose webhooks go to a receiver."""
    async with (
        running_receiver() as receiver,
        running_standin(endpoints=[Endpoint(url=receiver.url, secrets=[SECRET])]) as standin,
    ):
        yield standin, receiver


def intent_of(amount: int = 1999, currency: str = "usd", **more: Any) -> Any:
    """The parameters of a PaymentIntent as the Payment service makes it."""
    automatic = {"enabled": True, "allow_redirects": "never"}
    return {"amount": amount, "currency": currency, "automatic_payment_methods": automatic} | more


def error_of(error: stripe.StripeError) -> Any:
    """The error object of an answer."""
    assert isinstance(error.json_body, dict)
    return error.json_body["error"]
