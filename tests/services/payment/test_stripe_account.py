"""What the tests of Payment do at Stripe: the buyer's part, webhooks in any order, and a new account for each test."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from stripe import SignatureVerificationError, Webhook

from payment.main import create_app
from payment.settings import Settings
from payment.settings.stripe import STANDIN_WEBHOOK_SECRET
from payment.stripe_api.client import StripeApi
from quartet.stack.programs import WEBHOOKS
from tests.processes import Running
from tests.services.payment.shop import until
from tests.services.payment.stripe_account import StripeAccount, served
from tests.standins.stripe_clients import intent_of
from tests.tokens import TokenMint


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """A client of an application that takes webhooks, and the types of those that it took."""
    got: list[str] = []

    async def take(request: Request) -> Response:
        try:
            event = Webhook.construct_event(
                await request.body(), request.headers["stripe-signature"], STANDIN_WEBHOOK_SECRET
            )
        except SignatureVerificationError:
            return Response(status_code=400)
        got.append(event["type"])
        return Response()

    app = Starlette(routes=[Route(WEBHOOKS, take, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        yield client, got


async def test_a_buyer_pays_and_the_events_are_delivered_in_any_order(stripe: StripeAccount) -> None:
    made = await stripe.client.v1.payment_intents.create_async(intent_of())
    secret = made.to_dict()["client_secret"]
    assert (await stripe.confirm(secret, "pm_card_chargeDeclined")).status_code == 402
    assert (await stripe.confirm(secret)).json()["status"] == "succeeded"
    stripe.advance(2)
    events = stripe.take_events()
    types = [event["type"] for event in events]
    assert types == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [4], [3, 3, 0, 3]):
        async with receiver() as (client, got):
            answers = await stripe.deliver(client, [events[place] for place in order])
            assert {answer.status_code for answer in answers} == {200}
            assert got == [types[place] for place in order]


async def test_events_are_taken_once_and_may_be_signed_wrongly(stripe: StripeAccount) -> None:
    await stripe.client.v1.customers.create_async({})
    async with receiver() as (client, got):
        await stripe.deliver(client)
        assert await stripe.deliver(client) == []
        assert got == ["customer.created"]
        await stripe.client.v1.customers.create_async({})
        (refused,) = await stripe.deliver(client, secrets=["whsec_another"])
    assert (refused.status_code, got) == (400, ["customer.created"])


@pytest.mark.parametrize("number", [1, 2])
async def test_each_test_has_an_account_without_objects_and_faults(
    stripe: StripeAccount, number: int
) -> None:
    assert (stripe.all("customer"), stripe.take_events(), stripe.standin.faults.waiting) == ([], [], [])
    options = {"idempotency_key": "the same"}
    await stripe.client.v1.customers.create_async({"name": f"{number}"}, options)  # type: ignore[arg-type]
    stripe.break_next("api_error")
    await stripe.control("webhooks", hold=True)
    stripe.advance(3600)


async def test_the_control_resets_the_standin_too(stripe: StripeAccount) -> None:
    await stripe.client.v1.customers.create_async({})
    state = await stripe.control("reset")
    assert (state["objects"], state["faults"]) == ({}, [])


async def posts(client: httpx.AsyncClient) -> float:
    """How many requests with POST a service has answered."""
    lines = (await client.get("/metrics")).text.splitlines()
    counted = [line for line in lines if line.startswith("http_requests_total{") and 'method="POST"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in counted)


async def test_the_service_and_the_standin_call_each_other_over_sockets(
    stripe: StripeAccount, settings: Settings, mint: TokenMint
) -> None:
    app = create_app(settings, issuers=[mint.issuer])
    async with served(app) as client:
        with stripe.sending(str(client.base_url).rstrip("/")):
            made = await app.component(StripeApi).create_customer({}, key="over sockets")
            assert [each["id"] for each in stripe.all("customer")] == [made["id"]]

            async def has_come() -> bool:
                return await posts(client) >= 1

            await until(has_come)


@pytest.mark.long
async def test_processes_get_the_events_too(stripe: StripeAccount, pair: tuple[Running, Running]) -> None:
    before = [await posts(each.client) for each in pair]
    with stripe.sending(*(str(each.client.base_url).rstrip("/") for each in pair)):
        await stripe.client.v1.customers.create_async({})

        async def has_come() -> bool:
            return all([await posts(each.client) > count for each, count in zip(pair, before, strict=True)])

        await until(has_come)
