"""A stand-in as a whole: one account, its keys, its webhooks and its faults."""

from functools import partial

from standins.stripe.account import Account
from standins.stripe.checkout_sessions import follow
from standins.stripe.faults import Faults
from standins.stripe.idempotency import IdempotencyKeys
from standins.stripe.webhooks import Deliveries, Endpoint


class StandIn:
    """The parts of a stand-in at `base_url`. `endpoints`: where its webhooks go."""

    def __init__(
        self, *, base_url: str = "http://127.0.0.1:8420", endpoints: list[Endpoint] | None = None
    ) -> None:
        self.account = Account(base_url=base_url)
        self.idempotency_keys = IdempotencyKeys()
        self.faults = Faults()
        self.deliveries = Deliveries(self.account, endpoints or [])
        # After the deliveries: what follows from an event is delivered after it.
        self.account.listeners.append(partial(follow, self.account))

    def reset(self) -> None:
        """As it was at the start, with the same endpoints."""
        self.account.reset()
        self.idempotency_keys.prune(older_than=float("inf"))
        self.faults.reset()
        self.deliveries.reset()
