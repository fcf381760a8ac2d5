"""`/_control`, by which tests set the clock, the faults, the webhooks, and what banks and buyers do."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from standins.stripe import disputes, refunds
from standins.stripe.confirmations import authenticate, finish_debit
from standins.stripe.errors import StripeError
from standins.stripe.faults import Fault
from standins.stripe.standin import StandIn
from standins.stripe.webhooks import Endpoint, WebhookFaults

Act = Callable[[dict[str, Any]], Any]


def control_routes(standin: StandIn) -> list[Route]:
    """Each act takes a JSON object, and answers with the state of the stand-in."""
    control = _Control(standin)
    acts = control.acts = {
        "reset": control.reset,
        "clock": control.advance_clock,
        "faults": control.add_fault,
        "rate_limit": control.limit_rate,
        "idempotency_keys/prune": control.prune_keys,
        "webhooks": control.set_webhooks,
        "webhooks/release": control.release_webhooks,
        "webhooks/resend": control.resend_webhook,
        "webhook_endpoints": control.set_endpoints,
        "payment_intents/authenticate": control.authenticate,
        "payment_intents/finish_debit": control.finish_debit,
        "refunds/fail": control.fail_refund,
        "objects/change": control.change_object,
        "disputes/open": control.open_dispute,
        "disputes/decide": control.decide_dispute,
    }
    return [
        Route("/readyz", control.tell_readiness),
        Route("/_control", control.show),
        *(Route(f"/_control/{name}", control.run(act), methods=["POST"]) for name, act in acts.items()),
    ]


class _Control:
    def __init__(self, standin: StandIn) -> None:
        self._standin = standin
        self.acts: dict[str, Act] = {}

    def run(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of an act: 400 for what it cannot read."""

        async def endpoint(request: Request) -> Response:
            try:
                act(json.loads(await request.body() or b"{}"))
            except StripeError as error:
                return JSONResponse(error.body(), error.status)
            except (KeyError, TypeError, ValueError) as error:
                return JSONResponse({"error": {"message": f"{type(error).__name__}: {error}"}}, 400)
            self._standin.deliveries.wake()
            return await self.show(request)

        return endpoint

    async def tell_readiness(self, request: Request) -> Response:
        """It answers: it is ready."""
        return JSONResponse({"status": "ready"})

    async def show(self, request: Request) -> Response:
        """The state, and what can be asked for."""
        standin = self._standin
        return JSONResponse(
            {
                "acts": {f"/_control/{name}": act.__doc__ for name, act in self.acts.items()},
                "now": standin.account.now,
                "objects": {kind: len(rows) for kind, rows in standin.account.objects.items()},
                "faults": [asdict(fault) for fault in standin.faults.waiting],
                "rate_limit": standin.faults.per_second,
                "webhooks": asdict(standin.deliveries.faults)
                | {
                    "delivered": standin.deliveries.delivered,
                    "queued": [each.event["id"] for each in standin.deliveries.queued],
                    "held": [each.event["id"] for each in standin.deliveries.held],
                },
            }
        )

    def reset(self, body: dict[str, Any]) -> None:
        """`{}`: as it was at the start, with the same webhook endpoints"""
        self._standin.reset()

    def advance_clock(self, body: dict[str, Any]) -> None:
        """`{"advance": seconds}`"""
        self._standin.account.advance(float(body["advance"]))

    def add_fault(self, body: dict[str, Any]) -> None:
        """`{"kind": …, "method", "path", "when", "times", "seconds"}`, as in `Fault`"""
        self._standin.faults.waiting.append(Fault(**body))

    def limit_rate(self, body: dict[str, Any]) -> None:
        """`{"per_second": 25}`; null is no limit"""
        self._standin.faults.per_second = body["per_second"]

    def prune_keys(self, body: dict[str, Any]) -> None:
        """`{}`: forgets all idempotency keys"""
        self._standin.idempotency_keys.prune(older_than=float("inf"))

    def set_webhooks(self, body: dict[str, Any]) -> None:
        """`{"drop", "repeat", "delay", "hold"}`, as in `WebhookFaults`; what is left out is off"""
        self._standin.deliveries.faults = WebhookFaults(**body)

    def release_webhooks(self, body: dict[str, Any]) -> None:
        """`{"order": "given" | "reversed" | "shuffled" | [event ids], "seed": 0}`"""
        self._standin.deliveries.release(body.get("order", "given"), seed=body.get("seed", 0))

    def resend_webhook(self, body: dict[str, Any]) -> None:
        """`{"event": id}`"""
        account = self._standin.account
        self._standin.deliveries.resend(account.find("event", body["event"], param="event"))

    def set_endpoints(self, body: dict[str, Any]) -> None:
        """`{"endpoints": [{"url", "secrets", "enabled_events", "api_version"}]}`"""
        self._standin.deliveries.endpoints = [Endpoint(**each) for each in body["endpoints"]]

    def authenticate(self, body: dict[str, Any]) -> None:
        """`{"id": intent, "succeeds": true}`: the buyer's answer to 3-D Secure"""
        account = self._standin.account
        intent = account.find("payment_intent", body["id"], param="id")
        authenticate(account, intent, succeeds=body["succeeds"])

    def finish_debit(self, body: dict[str, Any]) -> None:
        """`{"id": intent, "succeeds": true}`: the bank's answer to a debit"""
        account = self._standin.account
        intent = account.find("payment_intent", body["id"], param="id")
        finish_debit(account, intent, succeeds=body["succeeds"])

    def fail_refund(self, body: dict[str, Any]) -> None:
        """`{"id": refund}`: the refund did not reach the buyer"""
        account = self._standin.account
        refunds.fail(account, account.find("refund", body["id"], param="id"))

    def change_object(self, body: dict[str, Any]) -> None:
        """`{"kind": "payment_intent", "id", "fields": {}, "event": null}`: fields are replaced; a type of event tells of it"""
        account = self._standin.account
        thing = account.find(body["kind"], body["id"], param="id")
        thing |= body.get("fields", {})
        if body.get("event"):
            account.emit(body["event"], thing)

    def open_dispute(self, body: dict[str, Any]) -> None:
        """`{"charge": id, "is_inquiry": false, "amount": null}`; the amount may exceed the charge's"""
        account = self._standin.account
        charge = account.find("charge", body["charge"], param="charge")
        disputes.open_dispute(
            account, charge, is_inquiry=body.get("is_inquiry", False), amount=body.get("amount")
        )

    def decide_dispute(self, body: dict[str, Any]) -> None:
        """`{"id": dispute, "outcome": "won" | "lost" | "prevented" | "warning_closed"}`"""
        account = self._standin.account
        disputes.decide(account, account.find("dispute", body["id"], param="id"), body["outcome"])
