"""Webhooks of the stand-in for Stripe: signed, in order, repeated until they are taken; and the faults of `/_control`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import stripe

from standins.openid_provider.server import listen
from standins.stripe.standin import StandIn
from tests.clients import certificates
from tests.standins.stripe_clients import (
    KEY,
    SECRET,
    Receiver,
    error_of,
    intent_of,
    official_client,
    running_pair,
)

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.fixture
async def pair() -> AsyncIterator[tuple[StandIn, Receiver]]:
    async with running_pair() as both:
        yield both


@pytest.fixture
def standin(pair: tuple[StandIn, Receiver]) -> StandIn:
    return pair[0]


@pytest.fixture
def receiver(pair: tuple[StandIn, Receiver]) -> Receiver:
    return pair[1]


@pytest.fixture
async def client(standin: StandIn) -> AsyncIterator[stripe.StripeClient]:
    async with official_client(standin) as one:
        yield one


class Control:
    """`/_control`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, name: str, **body: Any) -> Any:
        answer = await self._http.post(f"/_control/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def control(standin: StandIn) -> AsyncIterator[Control]:
    async with httpx.AsyncClient(base_url=standin.account.base_url, verify=certificates()) as http:
        yield Control(http)


async def pay(client: stripe.StripeClient) -> str:
    """A PaymentIntent that has succeeded."""
    made = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_card_visa")
    )
    return made.id


async def test_events_come_signed_and_in_order_and_until_they_are_taken(
    receiver: Receiver, client: stripe.StripeClient, control: Control
) -> None:
    receiver.answers = [500]
    intent = await pay(client)
    events = [await receiver.next() for _ in range(3)]
    assert [event["type"] for event in events] == PAID
    assert events[2]["data"]["object"] == (await client.v1.payment_intents.retrieve_async(intent)).to_dict()
    await control("clock", advance=3)
    assert sorted(await receiver.types(2)) == ["charge.updated", "payment_intent.created"]


async def test_secrets_that_are_rotated_both_sign(
    receiver: Receiver, client: stripe.StripeClient, control: Control
) -> None:
    endpoint = {
        "url": receiver.url,
        "secrets": ["whsec_new", SECRET],
        "enabled_events": ["payment_intent.succeeded"],
    }
    await control("webhook_endpoints", endpoints=[endpoint, endpoint | {"secrets": ["whsec_new"]}])
    await pay(client)
    assert (await receiver.next())["type"] == "payment_intent.succeeded"
    assert (await receiver.next(secret="whsec_new"))["type"] == "payment_intent.succeeded"


async def test_webhooks_are_dropped_repeated_held_and_reordered(
    receiver: Receiver, client: stripe.StripeClient, control: Control
) -> None:
    await control("webhooks", drop=2, repeat=1)
    await pay(client)
    assert await receiver.types(2) == PAID[2:] * 2
    await control("webhooks", drop=-1)
    await control("clock", advance=2)
    await control("webhooks", hold=True)
    await pay(client)
    state = await control("webhooks", hold=False)
    assert (len(state["webhooks"]["held"]), state["webhooks"]["queued"], receiver.is_empty) == (3, [], True)
    await control("webhooks/release", order="reversed")
    assert await receiver.types(3) == PAID[::-1]


async def test_delayed_webhooks_come_when_the_clock_has_moved(
    receiver: Receiver, client: stripe.StripeClient, control: Control
) -> None:
    await control("webhooks", delay=3600)
    await client.v1.payment_intents.create_async(intent_of())
    assert receiver.is_empty
    await control("clock", advance=3600)
    assert await receiver.types(1) == PAID[:1]


async def test_an_older_version_names_itself_and_carries_the_refunds(
    receiver: Receiver, client: stripe.StripeClient, control: Control
) -> None:
    endpoint = {
        "url": receiver.url,
        "secrets": [SECRET],
        "enabled_events": ["charge.refunded"],
        "api_version": "2020-08-27",
    }
    await control("webhook_endpoints", endpoints=[endpoint])
    refund = await client.v1.refunds.create_async({"payment_intent": await pay(client)})
    event = await receiver.next()
    assert event["api_version"] == "2020-08-27"
    assert [each["id"] for each in event["data"]["object"]["refunds"]["data"]] == [refund.id]


async def test_an_error_after_the_effect_is_replayed_and_the_effect_is_there(
    client: stripe.StripeClient, control: Control
) -> None:
    await control("faults", kind="api_error", path="/v1/payment_intents", when="after")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as raised:
            await client.v1.payment_intents.create_async(intent_of(), {"idempotency_key": "lost"})
        assert raised.value.http_status == 500
    assert len((await client.v1.payment_intents.list_async()).data) == 1


async def test_an_error_before_the_effect_leaves_nothing(
    client: stripe.StripeClient, control: Control
) -> None:
    await control("faults", kind="api_error", path="/v1/refunds")
    intent = await pay(client)
    with pytest.raises(stripe.APIError):
        await client.v1.refunds.create_async({"payment_intent": intent})
    assert (await client.v1.refunds.list_async()).data == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("lock_timeout", 429),
        ("idempotency_key_in_use", 409),
        ("rate_limit", 429),
        ("amount_too_small", 400),
    ],
)
async def test_passing_errors_are_not_stored(
    client: stripe.StripeClient, control: Control, kind: str, status: int
) -> None:
    await control("faults", kind=kind, path="/v1/customers")
    with pytest.raises(stripe.StripeError) as raised:
        await client.v1.customers.create_async({}, {"idempotency_key": "again"})
    assert (raised.value.http_status, error_of(raised.value)["code"]) == (status, kind)
    assert (await client.v1.customers.create_async({}, {"idempotency_key": "again"})).id.startswith("cus_")


async def test_a_lost_answer_is_found_by_its_key(client: stripe.StripeClient, control: Control) -> None:
    await control("faults", kind="drop_connection", path="/v1/customers", when="after")
    with pytest.raises(stripe.APIConnectionError):
        await client.v1.customers.create_async({}, {"idempotency_key": "lost"})
    again = await client.v1.customers.create_async({}, {"idempotency_key": "lost"})
    assert [each.id for each in (await client.v1.customers.list_async()).data] == [again.id]


async def test_a_call_whose_connection_drops_before_its_effect_has_none(
    client: stripe.StripeClient, control: Control
) -> None:
    await control("faults", kind="drop_connection", path="/v1/customers")
    with pytest.raises(stripe.APIConnectionError):
        await client.v1.customers.create_async({}, {"idempotency_key": "dropped"})
    assert (await client.v1.customers.list_async()).data == []
    assert (await client.v1.customers.create_async({}, {"idempotency_key": "dropped"})).id.startswith("cus_")


async def test_an_answer_drips(client: stripe.StripeClient, control: Control) -> None:
    await control("faults", kind="drip", path="/v1/customers")
    assert (await client.v1.customers.create_async({"name": "Ada"})).name == "Ada"


async def test_what_control_cannot_read_is_refused_and_it_says_what_it_can(standin: StandIn) -> None:
    async with httpx.AsyncClient(base_url=standin.account.base_url, verify=certificates()) as http:
        assert (await http.post("/_control/faults", json={"sort": "none"})).status_code == 400
        assert (await http.post("/_control/clock", content=b"[")).status_code == 400
        assert (await http.post("/_control/refunds/fail", json={"id": "re_no"})).status_code == 404
        acts = (await http.get("/_control")).json()["acts"]
    assert acts["/_control/clock"] == '`{"advance": seconds}`'


async def test_an_event_is_sent_again_on_demand(
    receiver: Receiver, client: stripe.StripeClient, control: Control
) -> None:
    await client.v1.payment_intents.create_async(intent_of())
    first = await receiver.next()
    await control("webhooks/resend", event=first["id"])
    assert (await receiver.next())["id"] == first["id"]


async def test_an_object_is_changed_on_demand_and_a_second_event_tells_of_it(
    receiver: Receiver, client: stripe.StripeClient, control: Control
) -> None:
    made = await client.v1.payment_intents.create_async(intent_of())
    first = await receiver.next()
    await control(
        "objects/change", kind="payment_intent", id=made.id, fields={"amount": 100}, event=first["type"]
    )
    second = await receiver.next()
    assert (second["type"], second["data"]["object"]["amount"]) == (first["type"], 100)
    assert second["id"] != first["id"]
    assert (await client.v1.payment_intents.retrieve_async(made.id)).amount == 100


async def test_the_stand_in_runs_as_a_process() -> None:
    listener = listen()
    port = listener.getsockname()[1]
    listener.close()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "standins.stripe", "--port", str(port)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == f"STRIPE_API_BASE=http://127.0.0.1:{port}\n".encode()
        transport = httpx.AsyncHTTPTransport(retries=8, verify=certificates())
        async with httpx.AsyncClient(transport=transport) as http:
            answer = await http.get(f"http://127.0.0.1:{port}/v1/events", auth=(KEY, ""))
        assert answer.json() == {"object": "list", "data": [], "has_more": False, "url": "/v1/events"}
    finally:
        process.terminate()
        await process.wait()


async def test_a_key_is_in_use_while_its_first_call_runs(
    client: stripe.StripeClient, control: Control
) -> None:
    await control("faults", kind="delay", path="/v1/customers", seconds=600)
    slow = asyncio.create_task(client.v1.customers.create_async({}, {"idempotency_key": "slow"}))
    while (await control("rate_limit", per_second=None))["faults"]:
        pass
    with pytest.raises(stripe.StripeError) as raised:
        await client.v1.customers.create_async({}, {"idempotency_key": "slow"})
    assert (raised.value.http_status, error_of(raised.value)["code"]) == (409, "idempotency_key_in_use")
    await control("clock", advance=600)
    again = await client.v1.customers.create_async({}, {"idempotency_key": "slow"})
    assert (await slow).id == again.id


async def test_keys_are_forgotten_on_demand(client: stripe.StripeClient, control: Control) -> None:
    first = await client.v1.customers.create_async({}, {"idempotency_key": "same"})
    await control("idempotency_keys/prune")
    assert (await client.v1.customers.create_async({}, {"idempotency_key": "same"})).id != first.id


async def test_calls_above_the_limit_are_refused(standin: StandIn, client: stripe.StripeClient) -> None:
    standin.faults.per_second = 0
    async with httpx.AsyncClient(base_url=standin.account.base_url, verify=certificates()) as http:
        answer = await http.get("/v1/events", auth=(KEY, ""))
    assert (answer.status_code, answer.headers["stripe-rate-limited-reason"]) == (429, "global-rate")
    with pytest.raises(stripe.RateLimitError):
        await client.v1.customers.create_async({})
