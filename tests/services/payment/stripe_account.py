"""Stripe as a test of Payment sees it: what buyers and banks do there, and its webhooks in any order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpx
import stripe
import uvicorn

from payment.settings.stripe import STANDIN_PUBLISHABLE_KEY, STANDIN_WEBHOOK_SECRET
from quartet.stack.programs import WEBHOOKS
from standins.openid_provider.server import listen
from standins.stripe.faults import Fault
from standins.stripe.server import Server
from standins.stripe.standin import StandIn
from standins.stripe.webhooks import Endpoint
from tests.clients import certificates
from tests.documented import checking
from webcommon.app.service import Service

Json = dict[str, Any]


class StripeAccount:
    """An account at the stand-in, without objects at first. `client` is the official one, `http` has no key."""

    def __init__(self, standin: StandIn, client: stripe.StripeClient, http: httpx.AsyncClient) -> None:
        self.standin = standin
        self.client = client
        self.http = http
        self._taken = 0

    def all(self, kind: str) -> list[Json]:
        """All objects of a kind (`payment_intent`), oldest first, as they are now."""
        return list(self.standin.account.objects.get(kind, {}).values())

    async def confirm(self, client_secret: str, payment_method: str = "pm_card_visa") -> httpx.Response:
        """Pay, as a buyer's browser does. 402: declined."""
        intent = client_secret.partition("_secret_")[0]
        form = {
            "key": STANDIN_PUBLISHABLE_KEY,
            "client_secret": client_secret,
            "payment_method": payment_method,
        }
        return await self.http.post(f"/v1/payment_intents/{intent}/confirm", data=form)

    async def control(self, act: str, **body: Any) -> Json:
        """Have the stand-in do something (`/_control` lists what); its state afterwards."""
        answer = await self.http.post(f"/_control/{act}", json=body)
        assert answer.status_code == 200, answer.text
        state: Json = answer.json()
        return state

    def advance(self, seconds: float) -> None:
        """Move the account's clock on: fees become known, banks decide."""
        self.standin.account.advance(seconds)

    def break_next(self, kind: Any, path: str = "*", **more: Any) -> None:
        """The next call of a path has a fault, as in `Fault`."""
        self.standin.faults.waiting.append(Fault(kind=kind, path=path, **more))

    def take_events(self) -> list[Json]:
        """The events since the last call, oldest first. None of them has been sent."""
        events = self.all("event")
        new, self._taken = events[self._taken :], len(events)
        return new

    async def deliver(
        self,
        to: httpx.AsyncClient,
        events: Iterable[Json] | None = None,
        *,
        secrets: Iterable[str] = (STANDIN_WEBHOOK_SECRET,),
        api_version: str | None = None,
    ) -> list[httpx.Response]:
        """Send webhooks one after the other: exactly these, which may be fewer, repeated or in another order, or else
        all of `take_events`. `api_version`: as an endpoint of that version gets them."""
        endpoint = Endpoint(url=WEBHOOKS, secrets=list(secrets), api_version=api_version)
        answers = []
        for event in self.take_events() if events is None else events:
            body, headers = self.standin.deliveries.write(event, endpoint)
            answers.append(await to.post(WEBHOOKS, content=body, headers=headers))
        return answers

    @contextlib.contextmanager
    def sending(self, *targets: str) -> Iterator[None]:
        """In this block the stand-in itself sends each event, at once, to services at these URLs."""
        deliveries = self.standin.deliveries
        deliveries.endpoints = [
            Endpoint(url=f"{target}{WEBHOOKS}", secrets=[STANDIN_WEBHOOK_SECRET]) for target in targets
        ]
        try:
            yield
        finally:
            deliveries.endpoints = []
            deliveries.reset()


@contextlib.asynccontextmanager
async def served(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The application on a real socket, until the block ends; a client of it, whose `base_url` is its address."""
    listener = listen()
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with httpx.AsyncClient(
            base_url=base, timeout=60, verify=certificates(), event_hooks=checking(app)
        ) as client:
            yield client
    finally:
        server.should_exit = True
        await task
        listener.close()
