"""The state of one Stripe account: its objects, its clock, its events, and what is due later."""

import copy
import heapq
import secrets
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from standins.stripe.errors import resource_missing
from standins.stripe.forms import Fields

API_VERSION = "2026-10-28.endive"

Json = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits

SETTLE_SECONDS = 1
"""Until the fee of a charge is known (`charge.updated`), by the account's clock."""

BANK_SECONDS = 60
"""Until a bank debit or a pending refund is decided, by the account's clock."""


def new_id(prefix: str) -> str:
    """An id such as `pi_3…`."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"


@dataclass
class Call:
    """A call of the API. `id`: that of its path."""

    params: Json
    id: str = ""
    is_publishable: bool = False


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation of the API. `is_public`: a publishable key may call it, with the client secret."""

    method: str
    path: str
    run: Callable[["Account", Call], Json]
    fields: Fields = field(default_factory=dict)
    required: tuple[str, ...] = ()
    is_public: bool = False


class Account:
    """The account. `objects`: by kind and id, oldest first. `listeners`: told of each event."""

    def __init__(self, *, base_url: str = "http://127.0.0.1:8420") -> None:
        self.base_url = base_url
        self.objects: dict[str, dict[str, Json]] = {}
        self.behaviours: dict[str, str] = {}
        """How each payment method behaves, by its id."""
        self.checkouts: dict[str, Json] = {}
        """The lines of each Checkout session, and the parameters of its PaymentIntent, by the session's id."""
        self.session_of: dict[str, Json] = {}
        """The Checkout session of a PaymentIntent, by the intent's id."""
        self.request: Json = {"id": None, "idempotency_key": None}
        self.listeners: list[Callable[[Json], None]] = []
        self._offset = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def reset(self) -> None:
        """Forget everything but the listeners. What waits for the clock stops waiting."""
        for kept in (self.objects, self.behaviours, self.checkouts, self.session_of):
            kept.clear()
        self._due.clear()
        self._offset = 0.0

    @property
    def now(self) -> float:
        """The account's time, in seconds since 1970."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock on, and do what has become due."""
        self._offset += seconds
        self.run_due()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something when the clock has moved on so far."""
        self._count += 1
        heapq.heappush(self._due, (self.now + seconds, self._count, action))

    @property
    def next_due(self) -> float | None:
        """Seconds until something is due, by the clock."""
        return max(0.0, self._due[0][0] - self.now) if self._due else None

    def run_due(self) -> None:
        """Do what is due."""
        while self._due and self._due[0][0] <= self.now:
            action = heapq.heappop(self._due)[2]
            self.request = {"id": None, "idempotency_key": None}
            action()

    def add(self, kind: str, prefix: str, fields: Json) -> Json:
        """A new object."""
        made: Json = {
            "id": new_id(prefix),
            "object": kind,
            "created": int(self.now),
            "livemode": False,
        } | fields
        self.objects.setdefault(kind, {})[made["id"]] = made
        return made

    def find(self, kind: str, id: str, *, param: str, status: int = 404) -> Json:
        """An object by its id. Raises `StripeError`."""
        try:
            return self.objects.get(kind, {})[id]
        except KeyError:
            raise resource_missing(kind, id, param=param, status=status) from None

    def refer(self, kind: str, params: Mapping[str, Any], name: str | None = None) -> str | None:
        """The id in a parameter, of an object that exists and is not deleted. Raises `StripeError`."""
        param = name or kind
        id: str | None = params.get(param)
        if id is not None and self.find(kind, id, param=param, status=400).get("deleted"):
            raise resource_missing(kind, id, param=param)
        return id

    def emit(self, type: str, thing: Json, previous: Json | None = None) -> None:
        """Record an event with the object as it is now. `previous`: what an update changed."""
        data: Json = {"object": copy.deepcopy(thing)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.add(
            "event",
            "evt",
            {
                "api_version": API_VERSION,
                "data": data,
                "pending_webhooks": 0,
                "request": dict(self.request),
                "type": type,
            },
        )
        for listener in self.listeners:
            listener(event)
