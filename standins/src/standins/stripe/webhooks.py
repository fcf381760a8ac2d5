"""Webhooks: signed as Stripe signs them, in the order of the events, repeated until they are taken, for three days."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass, field

import httpx

from standins.stripe.account import Account, Json
from standins.stripe.events import matches
from standins.stripe.lists import list_refunds

RETRY_SECONDS = (2, 10, 60, 600, 3600)
"""Pauses before the next attempts, by the account's clock; the last one repeats."""

GIVE_UP_SECONDS = 3 * 86_400
TIMEOUT_SECONDS = 10


@dataclass(kw_only=True)
class Endpoint:
    """Where events go. With several `secrets`, as during a rotation, each of them signs.

    `api_version`: the version whose shape and name its events have; None is that of the account.
    """

    url: str
    secrets: list[str]
    enabled_events: list[str] = field(default_factory=lambda: ["*"])
    api_version: str | None = None


@dataclass(kw_only=True)
class WebhookFaults:
    """What happens to new events. `drop`: so many of the next ones are lost, all with -1. `repeat`: so often again.

    `hold`: kept until `Deliveries.release`. `delay`: seconds of the account's clock.
    """

    drop: int = 0
    repeat: int = 0
    delay: float = 0
    hold: bool = False


@dataclass(kw_only=True)
class Delivery:
    """An event on its way to an endpoint."""

    event: Json
    endpoint: Endpoint
    due: float
    first_due: float
    attempts: int = 0


def sign(body: bytes, secrets: list[str], *, at: int) -> str:
    """The header `Stripe-Signature`."""
    signed = f"{at}.".encode() + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])


class Deliveries:
    """The deliveries of an account's events."""

    def __init__(self, account: Account, endpoints: list[Endpoint]) -> None:
        self.endpoints = endpoints
        self.faults = WebhookFaults()
        self.delivered = 0
        self.queued: list[Delivery] = []
        self.held: list[Delivery] = []
        self._account = account
        self._wake = asyncio.Event()
        account.listeners.append(self._take)

    def _take(self, event: Json) -> None:
        faults = self.faults
        if faults.drop:
            faults.drop -= faults.drop > 0
            return
        for endpoint in self.endpoints:
            if not any(matches(event["type"], wanted) for wanted in endpoint.enabled_events):
                continue
            event["pending_webhooks"] += 1
            due = self._account.now + faults.delay
            copies = [
                Delivery(event=event, endpoint=endpoint, due=due, first_due=due)
                for _ in range(1 + faults.repeat)
            ]
            (self.held if faults.hold else self.queued).extend(copies)
        self.wake()

    def reset(self) -> None:
        """Nothing is on its way, and nothing happens to what comes."""
        self.queued.clear()
        self.held.clear()
        self.faults = WebhookFaults()
        self.delivered = 0

    def resend(self, event: Json) -> None:
        """Send an event once more, as from Stripe's dashboard."""
        now = self._account.now
        self.queued += [
            Delivery(event=event, endpoint=each, due=now, first_due=now) for each in self.endpoints
        ]
        self.wake()

    def release(self, order: str | list[str], *, seed: int = 0) -> None:
        """Send what is held: `given`, `reversed` or `shuffled`, or the events of these ids in this order."""
        held, self.held = self.held, []
        if isinstance(order, list):
            ranks = {id: rank for rank, id in enumerate(order)}
            self.held = [each for each in held if each.event["id"] not in ranks]
            held = sorted(
                (each for each in held if each.event["id"] in ranks), key=lambda each: ranks[each.event["id"]]
            )
        elif order == "reversed":
            held.reverse()
        elif order == "shuffled":
            random.Random(seed).shuffle(held)  # noqa: S311 - a test's order, which it can repeat
        for each in held:
            each.due = self._account.now
        self.queued += held
        self.wake()

    def wake(self) -> None:
        """Look at once for what is due."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver, and do what the account has due, until cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                self._wake.clear()
                self._account.run_due()
                due = [each for each in self.queued if each.due <= self._account.now]
                for each in due:
                    self.queued.remove(each)
                    await self._send(client, each)
                if not due:
                    await self._sleep()

    async def _sleep(self) -> None:
        waits = [each.due - self._account.now for each in self.queued]
        if self._account.next_due is not None:
            waits.append(self._account.next_due)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, min(waits)) if waits else None)

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        body, headers = self.write(delivery.event, delivery.endpoint)
        try:
            answer = await client.post(delivery.endpoint.url, content=body, headers=headers)
            is_taken = answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL):
            is_taken = False
        if is_taken:
            self.delivered += 1
            delivery.event["pending_webhooks"] = max(0, delivery.event["pending_webhooks"] - 1)
            return
        pause = RETRY_SECONDS[min(delivery.attempts, len(RETRY_SECONDS) - 1)]
        delivery.attempts += 1
        delivery.due = self._account.now + pause
        if delivery.due < delivery.first_due + GIVE_UP_SECONDS:
            self.queued.append(delivery)

    def write(self, event: Json, endpoint: Endpoint) -> tuple[bytes, dict[str, str]]:
        """The body and the headers with which an event is sent, signed now."""
        body = json.dumps(self._shape(event, endpoint), indent=2).encode()
        # By the real clock: the account's may be far ahead, and its receiver's is not.
        return body, {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": sign(body, endpoint.secrets, at=int(time.time())),
        }

    def _shape(self, event: Json, endpoint: Endpoint) -> Json:
        """The event in the endpoint's version. Before 2022-11-15 a charge carried its refunds."""
        if endpoint.api_version is None:
            return event
        thing = event["data"]["object"]
        if thing["object"] == "charge" and endpoint.api_version < "2022-11-15":
            thing = thing | {"refunds": list_refunds(self._account, thing["id"])}
        return event | {"api_version": endpoint.api_version, "data": event["data"] | {"object": thing}}
