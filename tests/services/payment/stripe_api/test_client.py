"""Each operation against the stand-in, and what is sent with it."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from payment.stripe_api.client import StripeApi, walk
from payment.stripe_api.errors import StripeRefused, StripeUnavailable
from payment.stripe_api.setup import API_VERSION
from standins.stripe.standin import StandIn
from tests.services.payment.stripe_api.conftest import MakeApi
from tests.standins.stripe_clients import intent_of

LINE = {
    "quantity": 1,
    "price_data": {"currency": "usd", "unit_amount": 1999, "product_data": {"name": "Earl Grey"}},
}
SESSION = {
    "mode": "payment",
    "line_items": [LINE],
    "success_url": "https://shop.example/thanks",
    "cancel_url": "https://shop.example/cart",
}

keys = (f"key {number}" for number in itertools.count())


async def test_customers_are_made_read_and_deleted(api: StripeApi) -> None:
    made = await api.create_customer({"metadata": {"user": "7"}}, key=next(keys))
    assert (await api.retrieve_customer(made["id"]))["metadata"] == {"user": "7"}
    assert (await api.delete_customer(made["id"]))["deleted"] is True
    assert (await api.retrieve_customer(made["id"]))["deleted"] is True
    with pytest.raises(StripeRefused, match="No such customer"):
        await api.delete_customer(made["id"])


async def test_intents_are_read_with_their_charge_cancelled_and_listed(api: StripeApi) -> None:
    paid = await api.create_payment_intent(
        intent_of(confirm=True, payment_method="pm_card_visa"), key=next(keys)
    )
    read = await api.retrieve_payment_intent(paid["id"], expand=("latest_charge",))
    assert type(read["latest_charge"]) is dict
    assert read["latest_charge"]["captured"] is True
    charge = await api.retrieve_charge(read["latest_charge"]["id"], expand=("payment_intent",))
    assert charge["payment_intent"]["id"] == paid["id"]
    waiting = await api.create_payment_intent(intent_of(), key=next(keys))
    cancelled = await api.cancel_payment_intent(
        waiting["id"], {"cancellation_reason": "abandoned"}, key=next(keys)
    )
    assert cancelled["status"] == "canceled"
    page = await api.list_payment_intents({"limit": 2})
    assert [each["id"] for each in page["data"]] == [waiting["id"], paid["id"]]


async def test_checkout_sessions_are_made_read_expired_and_listed(api: StripeApi) -> None:
    made = await api.create_checkout_session(SESSION, key=next(keys))
    assert (made["status"], made["payment_intent"]) == ("open", None)
    assert (await api.expire_checkout_session(made["id"], key=next(keys)))["status"] == "expired"
    read = await api.retrieve_checkout_session(made["id"], expand=("line_items",))
    assert (read["status"], len(read["line_items"]["data"])) == ("expired", 1)
    assert (await api.list_checkout_sessions({"limit": 1}))["data"][0]["id"] == made["id"]


async def test_refunds_disputes_and_events_are_read_and_listed(api: StripeApi) -> None:
    paid = await api.create_payment_intent(
        intent_of(confirm=True, payment_method="pm_card_createDispute"), key=next(keys)
    )
    (dispute,) = (await api.list_disputes({"payment_intent": paid["id"]}))["data"]
    read = await api.retrieve_dispute(dispute["id"], expand=("charge",))
    assert read["charge"]["id"] == paid["latest_charge"]
    other = await api.create_payment_intent(
        intent_of(confirm=True, payment_method="pm_card_visa"), key=next(keys)
    )
    made = await api.create_refund({"payment_intent": other["id"], "amount": 5}, key=next(keys))
    assert (await api.retrieve_refund(made["id"]))["amount"] == 5
    listed = await api.list_refunds({"payment_intent": other["id"]})
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    (event,) = (await api.list_events({"type": "refund.created"}))["data"]
    assert (await api.retrieve_event(event["id"]))["data"]["object"]["id"] == made["id"]


async def test_a_walk_reads_all_pages(standin: StandIn, api: StripeApi) -> None:
    customer = await api.create_customer({}, key=next(keys))
    made = [
        (await api.create_payment_intent(intent_of(customer=customer["id"]), key=next(keys)))["id"]
        for _ in range(5)
    ]
    wanted = {"customer": customer["id"], "limit": 2}
    assert [each["id"] async for each in walk(api.list_payment_intents, wanted)] == made[::-1]
    nothing = await api.create_customer({}, key=next(keys))
    assert [each async for each in walk(api.list_payment_intents, {"customer": nothing["id"]})] == []


class Answering:
    """A server that answers everything alike, and keeps what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection, for one request."""
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def answering(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Answering, str]]:
    one = Answering(request.param)
    async with await asyncio.start_server(one.take, "127.0.0.1", 0) as server:
        yield one, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def plain(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An answer of HTTP."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize("answering", [plain("200 OK", b'{"object": "list", "data": []}')], indirect=True)
async def test_the_version_and_the_key_are_sent_and_nothing_of_the_machine(
    answering: tuple[Answering, str], make_api: MakeApi
) -> None:
    server, base = answering
    api = make_api(base)
    for _ in range(2):
        await api.list_refunds({})
    lines = server.requests[-1].decode().split("\r\n")
    headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
    assert headers["stripe-version"] == API_VERSION == "2026-10-28.endive"
    assert headers["authorization"] == "Bearer sk_test_quartet_standin"
    assert "x-stripe-client-telemetry" not in headers
    assert "telemetry_id" not in headers["x-stripe-client-user-agent"]
    assert "platform" not in headers["x-stripe-client-user-agent"]


@pytest.mark.parametrize(
    ("answering", "requests", "is_stored"),
    [
        (plain("200 OK", b"<html>"), 4, False),
        (plain("502 Bad Gateway", b"<html>"), 4, False),
        (plain("302 Found", b"", "Location: http://127.0.0.1:1/"), 4, False),
        (plain("503 Service Unavailable", b'{"error": {}}', "Stripe-Should-Retry: false"), 1, True),
        (plain("424 Failed Dependency", b'{"error": {"type": "api_error"}}'), 4, False),
    ],
    indirect=["answering"],
)
async def test_an_answer_that_says_nothing_is_unavailable(
    answering: tuple[Answering, str], make_api: MakeApi, requests: int, is_stored: bool
) -> None:
    server, base = answering
    with pytest.raises(StripeUnavailable) as raised:
        await make_api(base).create_refund({"amount": 5}, key="k")
    assert raised.value.is_stored is is_stored
    assert len(server.requests) == requests
    sent = {line for each in server.requests for line in each.split(b"\r\n") if b"Idempotency-Key" in line}
    assert sent == {b"Idempotency-Key: k"}
