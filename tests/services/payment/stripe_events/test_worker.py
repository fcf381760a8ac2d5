"""What becomes of an event that was taken: applied, foreign, tried again, or a dead letter."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from payment.stripe_events.service import delete_foreign
from tests.services.payment.operator import Operator
from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.shop import Headers, Sql
from tests.services.payment.stripe_account import Json

MAKE_DUE = "UPDATE stripe_events SET due_at = now() WHERE done_at IS NULL AND failed_at IS NULL"


async def read(sql: Sql, event: Json) -> Any:
    """The row of an event."""
    row = await sql.fetchrow("SELECT * FROM stripe_events WHERE id = $1", event["id"])
    assert row is not None
    return row


async def succeeded(purchases: Purchases, buyer: Headers) -> tuple[Json, Json]:
    """An order that is paid at Stripe, and the event that tells of it."""
    order = await purchases.ordered(buyer=buyer)
    assert (await purchases.account.confirm(await purchases.secret(order, buyer=buyer))).status_code == 200
    (event,) = [
        each for each in purchases.account.take_events() if each["type"] == "payment_intent.succeeded"
    ]
    return order, event


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"livemode": True}, "of the other mode"),
        ({"type": "customer.created"}, "of a type that is not handled"),
    ],
)
async def test_event_of_the_other_mode_or_type_is_foreign_and_goes_after_a_month(
    purchases: Purchases, sql: Sql, changed: Json, why: str
) -> None:
    buyer = purchases.buyer()
    order, event = await succeeded(purchases, buyer)
    await purchases.catch_up([event | changed])
    row = await read(sql, event)
    assert (row["foreign_because"], row["done_at"] is not None, row["attempts"]) == (why, True, 1)
    assert (await purchases.read(order, buyer=buyer))["status"] == "pending"
    moved = "UPDATE stripe_events SET done_at = now() - interval '{} days' WHERE id = $1"
    await sql.execute(moved.format(29), event["id"])
    assert await delete_foreign(purchases.database) == 0
    await sql.execute(moved.format(31), event["id"])
    assert await delete_foreign(purchases.database) == 1


@pytest.mark.parametrize(
    "metadata", [{}, {"service": "another"}, {"service": "quartet-payment", "attempt_id": "1"}]
)
async def test_event_of_somebody_elses_object_is_foreign(
    purchases: Purchases, sql: Sql, metadata: Json
) -> None:
    params: Any = {"amount": 500, "currency": "eur", "metadata": metadata}
    await purchases.account.client.v1.payment_intents.create_async(params)
    (event,) = [each for each in purchases.account.take_events() if each["type"] == "payment_intent.created"]
    await purchases.catch_up([event])
    assert (await read(sql, event))["foreign_because"] == "of an object that this service did not make"


async def named(purchases: Purchases, attempt_id: str) -> tuple[Json, Json]:
    """A PaymentIntent that names an attempt, and the event of its creation."""
    metadata = {"service": "quartet-payment", "attempt_id": attempt_id}
    methods = {"enabled": True, "allow_redirects": "never"}
    params: Any = {
        "amount": 1250,
        "currency": "eur",
        "metadata": metadata,
        "automatic_payment_methods": methods,
    }
    made = await purchases.account.client.v1.payment_intents.create_async(params)
    (event,) = [each for each in purchases.account.take_events() if each["data"]["object"]["id"] == made.id]
    return made.to_dict(), event


async def test_event_of_an_object_that_is_not_known_yet_waits_until_it_is(
    purchases: Purchases, sql: Sql
) -> None:
    buyer, attempt_id = purchases.buyer(), uuid4()
    order = await purchases.ordered(buyer=buyer)
    await purchases.secret(order, buyer=buyer)
    intent, event = await named(purchases, str(attempt_id))
    await purchases.catch_up([event])
    row = await read(sql, event)
    assert (row["done_at"], row["failed_at"], row["last_error"].startswith("NotKnownYet")) == (
        None,
        None,
        True,
    )
    # The restored database of a moment ago learns of the attempt.
    await sql.execute("UPDATE payments SET stripe_payment_intent_id = NULL WHERE order_id = $1", order["id"])
    await sql.execute(
        "UPDATE payment_attempts SET id = $2, stripe_id = NULL, stripe_payment_intent_id = NULL WHERE order_id = $1",
        order["id"],
        attempt_id,
    )
    assert (await purchases.account.confirm(intent["client_secret"])).status_code == 200
    purchases.account.take_events()
    await sql.execute(MAKE_DUE)
    await purchases.work()
    row = await read(sql, event)
    assert (row["done_at"] is not None, row["last_error"], str(row["order_id"])) == (True, None, order["id"])
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"


async def test_event_that_stays_unknown_is_a_dead_letter_after_a_day_and_can_be_replayed(
    purchases: Purchases, sql: Sql, operator: Operator
) -> None:
    _, event = await named(purchases, str(uuid4()))
    await purchases.catch_up([event])
    for hours, is_dead in ((23, False), (25, True)):
        await sql.execute(
            "UPDATE stripe_events SET received_at = now() - make_interval(hours => $2), due_at = now() WHERE id = $1",
            event["id"],
            hours,
        )
        await purchases.work()
        row = await read(sql, event)
        assert (row["done_at"], row["failed_at"] is not None) == (None, is_dead)
    listed = await operator.run("events", "list", "--failed")
    assert (listed.exit_code, event["id"] in listed.output, "NotKnownYet" in listed.output) == (0, True, True)
    shown = await operator.run("events", "show", event["id"])
    assert (shown.json["state"], shown.json["body"]["id"]) == ("dead", event["id"])
    check = await operator.run("check", "--json")
    assert (check.exit_code, {each["check"] for each in check.json["findings"]}) == (1, {"dead_letters"})
    assert (await operator.run("events", "replay", event["id"], "evt_other")).exit_code == 13
    assert (await operator.run("events", "replay")).exit_code == 2
    replayed = await operator.run("events", "replay", "--failed")
    assert (replayed.exit_code, replayed.output) == (0, "to be applied once more: 1 event\n")
    row = await read(sql, event)
    assert (row["failed_at"], row["attempts"]) == (None, 0)
    # What it names is somebody else's now, and so it is foreign.
    purchases.account.all("payment_intent")[-1]["metadata"].clear()
    body = json.loads(row["body"])
    body["data"]["object"]["metadata"] = {}
    await sql.execute("UPDATE stripe_events SET body = $2 WHERE id = $1", event["id"], json.dumps(body))
    await purchases.work()
    assert (await operator.run("check")).exit_code == 0
    listed = await operator.run("events", "list", "--json")
    assert {each["state"] for each in listed.json if each["id"] == event["id"]} == {"foreign"}
    assert (await operator.run("events", "show", "evt_none")).exit_code == 13


@pytest.mark.parametrize("kind", ["lock_timeout", "drop_connection"])
async def test_event_is_applied_once_stripe_answers_and_is_never_dead_for_its_absence(
    purchases: Purchases, sql: Sql, kind: str
) -> None:
    buyer = purchases.buyer()
    order, event = await succeeded(purchases, buyer)
    await sql.execute("UPDATE stripe_events SET attempts = 0")
    purchases.account.break_next(kind, "/v1/payment_intents/*", method="GET", times=100)
    await purchases.catch_up([event])
    row = await read(sql, event)
    assert (row["done_at"], row["failed_at"], row["attempts"]) == (None, None, 1)
    # Twelve attempts are the last for other reasons.
    await sql.execute("UPDATE stripe_events SET attempts = 50, due_at = now() WHERE id = $1", event["id"])
    await purchases.work()
    row = await read(sql, event)
    assert (row["done_at"], row["failed_at"], row["attempts"]) == (None, None, 51)
    purchases.account.standin.faults.waiting.clear()
    await sql.execute(MAKE_DUE)
    await purchases.work()
    assert (await read(sql, event))["done_at"] is not None
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"


async def test_two_answers_lock_timeout_cost_no_attempt(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order, event = await succeeded(purchases, buyer)
    purchases.account.break_next("lock_timeout", "/v1/payment_intents/*", method="GET", times=2)
    await purchases.catch_up([event])
    assert (await read(sql, event))["attempts"] == 1
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"


async def test_event_that_always_fails_is_a_dead_letter_and_holds_up_no_other(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order, event = await succeeded(purchases, buyer)
    (intent,) = purchases.intents_of(order)
    fields = {"status": "not_a_status_of_an_intent"}
    await purchases.account.control("objects/change", kind="payment_intent", id=intent["id"], fields=fields)
    other, other_event = await succeeded(purchases, buyer)
    await purchases.catch_up([event, other_event])
    assert (await purchases.read(other, buyer=buyer))["status"] == "paid"
    for _ in range(12):
        await sql.execute(MAKE_DUE)
        await purchases.work()
    row = await read(sql, event)
    assert (row["done_at"], row["failed_at"] is not None, row["attempts"]) == (None, True, 12)
    # Its mended object is found by the next event.
    fields = {"status": "succeeded"}
    await purchases.account.control("objects/change", kind="payment_intent", id=intent["id"], fields=fields)
    await purchases.catch_up([event | {"id": f"evt_{time.time_ns()}"}])
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
    await sql.execute("UPDATE stripe_events SET failed_at = NULL, done_at = now() WHERE id = $1", event["id"])


@pytest.mark.parametrize("version", [None, "2020-08-27"])
async def test_refund_is_read_from_stripe_whatever_version_its_event_has(
    purchases: Purchases, sql: Sql, version: str | None
) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    (intent,) = purchases.intents_of(order)
    await purchases.account.client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": 1000})
    events = [each for each in purchases.account.take_events() if each["type"] == "charge.refunded"]
    (answer,) = await purchases.account.deliver(purchases.client, events, api_version=version)
    assert answer.status_code == 200
    await purchases.work()
    assert figures(await purchases.read(order, buyer=buyer)) == (
        "partially_refunded", "12.50", "10.00", "2.50", "0.00",
    )  # fmt: skip
    row = await read(sql, events[0])
    assert row["api_version"] == (version or "2026-10-28.endive")
    assert ("refunds" in json.loads(row["body"])["data"]["object"]) == (version is not None)
