"""Events arrive: signed, at least once, in the order of their order, and nothing is open while an endpoint is waited for."""

import asyncio
import contextlib
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
import stripe

from dbcommon.engine import Database
from payment.orders.service import append_order_event
from payment.webhook_endpoints.outbox import append_event
from payment.webhook_endpoints.sending import EXCERPT_CHARACTERS, RESPONSE_BYTES
from tests.services.payment.shop import until
from tests.services.payment.webhook_endpoints.receiver import Hooks, Receiver, answer, receiving


def verify(receiver: Receiver, secret: str, *, place: int = -1) -> stripe.Event:
    """The event of a request, verified by Stripe's own package. Raises its error."""
    request = receiver.received[place]
    return stripe.Webhook.construct_event(request.body, request.header("Quartet-Signature"), secret)  # type: ignore[no-any-return]


async def test_an_event_is_delivered_with_a_signature_that_stripes_package_verifies(hooks: Hooks) -> None:
    async with receiving(answer(200, b"thanks\x00")) as receiver:
        endpoint = await hooks.subscribe(receiver.url, event_types=["order.paid"])
        order = await hooks.order()
        await hooks.append(order)
        await hooks.append(order, "order.refunded")
        await hooks.deliver()
        (request,) = receiver.received
        event = verify(receiver, endpoint["secret"])
        with pytest.raises(stripe.SignatureVerificationError):
            verify(receiver, "whsec_of_another")
    delivery = await hooks.delivery(endpoint)
    shown = (await hooks.shop.client.get(f"/v1/orders/{order['id']}", headers=hooks.shop.admin)).json()
    assert request.event == {
        "id": delivery["event_id"],
        "type": "order.paid",
        "created_at": delivery["created_at"],
        "data": {"object": shown},
    }
    assert (event.id, event.type) == (delivery["event_id"], "order.paid")
    assert request.head.startswith("POST /hooks?a=%20b HTTP/1.1\r\n")
    assert request.header("Host") == f"127.0.0.1:{receiver.port}"
    assert request.header("Content-Type") == "application/json"
    expected = ("delivered", 1, 200, "thanks\ufffd", None, None, order["id"])
    names = (
        *("status", "attempts", "response_status", "response_excerpt", "error"),
        *("next_attempt_at", "order_id"),
    )
    assert tuple(delivery[name] for name in names) == expected
    assert delivery["duration_ms"] >= 0


async def test_a_failure_is_tried_again_after_growing_pauses_and_signed_anew(hooks: Hooks) -> None:
    async with receiving(answer(500, b"sorry"), answer(301), answer(404), answer(200)) as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        pauses: list[int] = []
        for status in (500, 301, 404):
            await hooks.deliver()
            await hooks.deliver()  # it is not due yet
            delivery = await hooks.delivery(endpoint)
            assert (delivery["status"], delivery["response_status"]) == ("pending", status)
            pauses.append(
                round(
                    await hooks.sql.fetchval(
                        "SELECT extract(epoch FROM due_at - last_attempt_at) FROM webhook_deliveries"
                    )
                )
            )
            assert (await hooks.look(endpoint))["first_failure_at"] is not None
            await hooks.make_due()
        await hooks.deliver()
        assert pauses == [5, 10, 20]
        assert len(receiver.received) == 4
        assert len(set(receiver.ids)) == 1
        verify(receiver, endpoint["secret"])
    delivery = await hooks.delivery(endpoint)
    assert (delivery["status"], delivery["attempts"], delivery["response_status"]) == ("delivered", 4, 200)
    assert (await hooks.look(endpoint))["first_failure_at"] is None


async def test_later_events_of_an_order_wait_for_a_failing_one_and_other_orders_do_not(hooks: Hooks) -> None:
    async with receiving(answer(500)) as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        waiting, other = await hooks.order(), await hooks.order()
        for type_ in ("order.paid", "order.disputed", "order.refunded"):
            await hooks.append(waiting, type_)
        await hooks.deliver()
        await hooks.append(other)
        await hooks.deliver()
        arrived = [(event["data"]["object"]["id"], event["type"]) for event in _events(receiver)]
        assert arrived == [(waiting["id"], "order.paid"), (other["id"], "order.paid")]
        await hooks.make_due()
        await hooks.deliver()
        assert [event["type"] for event in _events(receiver)[2:]] == [
            *("order.paid", "order.disputed", "order.refunded")
        ]
    assert {delivery["status"] for delivery in await hooks.deliveries(endpoint)} == {"delivered"}


def _events(receiver: Receiver) -> list[dict[str, Any]]:
    return [request.event for request in receiver.received]


async def test_two_events_for_one_change_are_one(hooks: Hooks) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        order = await hooks.order()
        await asyncio.gather(*(hooks.append(order, key="re_1") for _ in range(10)))
        await hooks.append(order, "order.refunded", key="re_1")
        await hooks.append(order, "order.refunded", key="re_2")
        await hooks.deliver()
        types = [event["type"] for event in _events(receiver)]
    assert types == ["order.paid", "order.refunded", "order.refunded"]
    sequences = await hooks.sql.fetchval(
        "SELECT array_agg(sequence ORDER BY sequence) FROM outgoing_events WHERE order_id = $1",
        UUID(order["id"]),
    )
    assert sequences == [1, 2, 3]


async def test_an_event_is_stored_with_its_change_or_not_at_all(hooks: Hooks) -> None:
    order = await hooks.order()
    database = hooks.app.component(Database)
    with contextlib.suppress(ZeroDivisionError):
        async with database.transaction() as db:
            await append_order_event(db, "order.paid", order_id=UUID(order["id"]), change_key="a")
            raise ZeroDivisionError
    count = "SELECT count(*) FROM outgoing_events WHERE order_id = $1"
    assert await hooks.sql.fetchval(count, UUID(order["id"])) == 0


async def test_workers_at_once_send_each_event_once_and_in_order(hooks: Hooks) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        orders = [await hooks.order() for _ in range(6)]
        for number in range(5):
            for order in orders:
                await hooks.append(order, key=str(number))
        await asyncio.gather(*(hooks.deliver() for _ in range(4)))
        await hooks.deliver()  # whoever found all due ones claimed by others has stopped early
        assert len(receiver.ids) == len(set(receiver.ids)) == 30
        for order in orders:
            sent = [
                event["id"] for event in _events(receiver) if event["data"]["object"]["id"] == order["id"]
            ]
            stored = await hooks.sql.fetch(
                "SELECT id::text FROM outgoing_events WHERE order_id = $1 ORDER BY sequence",
                UUID(order["id"]),
            )
            assert sent == [row["id"] for row in stored]


async def test_what_a_killed_worker_left_is_sent_by_another_when_the_lease_is_over(hooks: Hooks) -> None:
    async with receiving() as receiver:
        receiver.hold = asyncio.Event()
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        killed = asyncio.create_task(hooks.deliver())
        await until(lambda: _is(len(receiver.received) == 1))
        killed.cancel()
        await asyncio.wait({killed})
        receiver.hold = None
        await hooks.deliver()
        assert len(receiver.received) == 1
        await hooks.make_due()
        await hooks.deliver()
        assert len(receiver.received) == 2
    delivery = await hooks.delivery(endpoint)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)


async def _is(value: bool) -> bool:
    return value


async def test_no_transaction_is_open_while_an_endpoint_is_waited_for(hooks: Hooks) -> None:
    async with receiving() as receiver:
        receiver.hold = asyncio.Event()
        await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        sending = asyncio.create_task(hooks.deliver())
        await until(lambda: _is(len(receiver.received) == 1))
        open_ones = await hooks.sql.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'"
        )
        in_use = hooks.app.component(Database).pool_status().in_use
        receiver.hold.set()
        await sending
    assert (open_ones, in_use) == (0, 0)


async def test_an_endpoint_that_does_not_answer_delays_no_other(hooks: Hooks) -> None:
    async with receiving() as silent, receiving() as quick:
        silent.hold = asyncio.Event()
        await hooks.subscribe(silent.url)
        await hooks.subscribe(quick.url)
        worker = hooks.worker()
        order = await hooks.order()
        await hooks.append(order)
        await worker.start_due()
        await until(lambda: _is(len(silent.received) == 1 and len(quick.received) == 1))
        await hooks.append(order, "order.refunded")

        async def has_come() -> bool:
            await worker.start_due()
            return len(quick.received) == 2

        await until(has_come)
        assert len(silent.received) == 1
        silent.hold.set()
        await hooks.deliver(worker)


@pytest.mark.parametrize("drips", [b"HTTP/1.1 200 OK\r\nX: ", b"X: a\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_dripping_answer_ends_with_the_time_for_the_whole_call(hooks: Hooks, drips: bytes) -> None:
    async with receiving() as receiver:
        receiver.drips = drips
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        async with asyncio.timeout(60):
            await hooks.deliver(hooks.worker(timeout_seconds=0.3))
        receiver.drips = None
    delivery = await hooks.delivery(endpoint)
    assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
    assert delivery["error"] is not None


async def test_of_an_endless_answer_only_the_beginning_is_read(hooks: Hooks) -> None:
    async with receiving(answer(200, b"x" * 10 * RESPONSE_BYTES)) as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await hooks.deliver()
    delivery = await hooks.delivery(endpoint)
    assert (delivery["status"], delivery["response_excerpt"]) == ("delivered", "x" * EXCERPT_CHARACTERS)


async def test_a_delivery_can_be_sent_again(hooks: Hooks) -> None:
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await hooks.deliver()
        delivery = await hooks.delivery(endpoint)
        path = f"/{endpoint['id']}/deliveries/{delivery['id']}/redeliver"
        again = await hooks.call("POST", path)
        assert (again.status_code, again.json()["status"]) == (202, "pending")
        await hooks.deliver()
        assert len(receiver.ids) == 2
        assert len(set(receiver.ids)) == 1
        verify(receiver, endpoint["secret"])
    delivery = await hooks.delivery(endpoint)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)


async def test_a_delivery_that_waits_is_sent_at_once_on_demand_and_one_that_is_being_sent_is_not_doubled(
    hooks: Hooks,
) -> None:
    async with receiving(answer(500)) as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await hooks.deliver()
        delivery = await hooks.delivery(endpoint)
        path = f"/{endpoint['id']}/deliveries/{delivery['id']}/redeliver"
        assert (await hooks.call("POST", path)).status_code == 202
        receiver.hold = asyncio.Event()
        sending = asyncio.create_task(hooks.deliver())
        await until(lambda: _is(len(receiver.received) == 2))
        assert (await hooks.call("POST", path)).status_code == 202
        await hooks.deliver()
        assert len(receiver.received) == 2
        receiver.hold.set()
        await sending
    assert (await hooks.delivery(endpoint))["status"] == "delivered"


async def test_after_a_rotation_both_secrets_sign_for_a_day(hooks: Hooks) -> None:
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        rotated = (await hooks.call("POST", f"/{endpoint['id']}/rotate-secret")).json()
        assert rotated["secret"] != endpoint["secret"]
        await hooks.append(await hooks.order())
        await hooks.deliver()
        header = receiver.received[-1].header("Quartet-Signature")
        assert header.count("v1=") == 2
        for secret in (endpoint["secret"], rotated["secret"]):
            assert stripe.WebhookSignature.verify_header(
                receiver.received[-1].body.decode(), header, secret, tolerance=300
            )
        left = "SELECT round(extract(epoch FROM previous_secret_until - now()) / 3600) FROM webhook_endpoints"
        assert await hooks.sql.fetchval(left) == 24
        await hooks.sql.execute("UPDATE webhook_endpoints SET previous_secret_until = now()")
        assert (await hooks.look(endpoint))["previous_secret_until"] is None
        await hooks.append(await hooks.order())
        await hooks.deliver()
        verify(receiver, rotated["secret"])
        with pytest.raises(stripe.SignatureVerificationError):
            verify(receiver, endpoint["secret"])


async def test_an_old_attempt_is_signed_with_its_own_time(hooks: Hooks) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        before = int(time.time())
        await hooks.deliver()
        header = receiver.received[0].header("Quartet-Signature")
    assert before <= int(header.split(",")[0].removeprefix("t=")) <= int(time.time())


async def test_an_event_of_no_order_is_refused(hooks: Hooks) -> None:
    async with hooks.app.component(Database).transaction() as db:
        with pytest.raises(LookupError):
            await append_event(db, type="order.paid", order_id=uuid4(), change_key="a", body="{}")
