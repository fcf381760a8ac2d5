"""Webhook endpoints: who may change them, what is shown, what disables them."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from payment.webhook_endpoints.schemas import (
    EVENT_TYPES,
    WebhookDelivery,
    WebhookEndpoint,
)
from payment.webhook_endpoints.service import delete_old_deliveries
from tests.services.payment.shop import Sql, pointers, problem, until
from tests.services.payment.webhook_endpoints.receiver import Hooks, answer, receiving
from webcommon.api.paging import Page

URL = "https://example.com/hooks"
SECRETS = {"secret", "previous_secret"}


async def test_an_endpoint_is_created_read_changed_and_deleted(hooks: Hooks) -> None:
    made = await hooks.subscribe(URL, description="Accounting", event_types=["order.paid", "order.paid"])
    assert made["secret"].startswith("whsec_")
    shown = await hooks.look(made)
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (shown["event_types"], shown["status"], shown["disabled_reason"]) == (
        ["order.paid"],
        "enabled",
        None,
    )
    changed = await hooks.call(
        "PATCH",
        f"/{made['id']}",
        json={"url": URL + "/2", "description": None, "event_types": ["order.refunded"]},
    )
    assert changed.status_code == 200
    wanted = {"url": URL + "/2", "description": None, "event_types": ["order.refunded"]}
    assert changed.json() == shown | wanted | {"updated_at": changed.json()["updated_at"]}
    assert await hooks.look(made) == changed.json()
    unchanged = await hooks.call("PATCH", f"/{made['id']}", json={})
    assert unchanged.json() == changed.json()
    assert (await hooks.call("DELETE", f"/{made['id']}")).status_code == 204
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/deliveries"),
        ("POST", "/rotate-secret"),
        ("POST", f"/deliveries/{uuid4()}/redeliver"),
    ):
        gone = await hooks.call(method, f"/{made['id']}{path}")
        assert problem(gone) == (404, "webhook-endpoint-not-found"), path
    gone = await hooks.call("PATCH", f"/{made['id']}", json={"description": "a"})
    assert problem(gone) == (404, "webhook-endpoint-not-found")


async def test_an_endpoint_gets_all_types_unless_some_are_named(hooks: Hooks) -> None:
    assert (await hooks.subscribe(URL))["event_types"] == list(EVENT_TYPES)


async def test_lists_are_pages_of_what_reading_one_gives(hooks: Hooks) -> None:
    made = [await hooks.subscribe(URL, description=f'"{number}" \\ 日本') for number in range(5)]
    items = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = await hooks.call("GET", params={"limit": 2, **cursor})
        assert page.json() == Page[WebhookEndpoint].model_validate_json(page.content).model_dump(mode="json")
        items += page.json()["items"]
        cursor = {"cursor": page.json()["next_cursor"]}
    assert cursor == {"cursor": None}
    assert items == [await hooks.look(endpoint) for endpoint in reversed(made)]


async def test_deliveries_are_pages_too_and_no_other_endpoints(hooks: Hooks) -> None:
    one, other = await hooks.subscribe(URL), await hooks.subscribe(URL, event_types=["order.paid"])
    order = await hooks.order()
    for number in range(5):
        await hooks.append(order, "order.refunded", key=str(number))
    first = await hooks.call("GET", f"/{one['id']}/deliveries", params={"limit": 3})
    Page[WebhookDelivery].model_validate_json(first.content)
    cursor = first.json()["next_cursor"]
    second = await hooks.call("GET", f"/{one['id']}/deliveries", params={"limit": 3, "cursor": cursor})
    items = first.json()["items"] + second.json()["items"]
    assert (len({item["id"] for item in items}), second.json()["next_cursor"]) == (5, None)
    assert [item["created_at"] for item in items] == sorted(
        (item["created_at"] for item in items), reverse=True
    )
    assert await hooks.deliveries(other) == []
    foreign = await hooks.call("GET", f"/{other['id']}/deliveries", params={"cursor": cursor})
    assert problem(foreign) == (422, "invalid-request")
    misplaced = await hooks.call("POST", f"/{other['id']}/deliveries/{items[0]['id']}/redeliver")
    assert problem(misplaced) == (404, "webhook-delivery-not-found")


async def test_only_admins_see_and_change_endpoints(hooks: Hooks, client: httpx.AsyncClient) -> None:
    made = await hooks.subscribe(URL)
    path = f"/v1/webhook-endpoints/{made['id']}"
    for method, url in (
        ("POST", "/v1/webhook-endpoints"),
        ("GET", "/v1/webhook-endpoints"),
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/rotate-secret"),
        ("GET", f"{path}/deliveries"),
        ("POST", f"{path}/deliveries/{uuid4()}/redeliver"),
    ):
        body = {"url": URL} if method in ("POST", "PATCH") else None
        buyer = await client.request(method, url, headers=hooks.shop.buyer(), json=body)
        assert problem(buyer) == (403, "forbidden"), url
        assert problem(await client.request(method, url, json=body)) == (401, "unauthorized")


async def test_the_secret_is_shown_once_and_stored_encrypted(hooks: Hooks, sql: Sql) -> None:
    made = await hooks.subscribe(URL)
    listed = await hooks.call("GET")
    changed = await hooks.call("PATCH", f"/{made['id']}", json={"description": "a"})
    for seen in (listed.json()["items"][0], await hooks.look(made), changed.json()):
        assert not SECRETS & seen.keys()
    stored = await sql.fetchval("SELECT secret FROM webhook_endpoints WHERE id = $1", UUID(made["id"]))
    assert made["secret"].encode() not in stored


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/url"),
        ({"url": 1}, "#/url"),
        ({"url": URL, "event_types": []}, "#/event_types"),
        ({"url": URL, "event_types": ["order.made"]}, "#/event_types/0"),
        ({"url": URL, "description": "a" * 501}, "#/description"),
        ({"url": URL, "secret": "whsec_mine"}, "#/secret"),
    ],
)
async def test_a_wrong_body_is_refused(hooks: Hooks, body: dict[str, object], pointer: str) -> None:
    refused = await hooks.call("POST", json=body)
    assert problem(refused) == (422, "invalid-request")
    assert pointers(refused) == [pointer]


async def test_what_waits_for_an_endpoint_is_given_up_when_an_admin_disables_it(hooks: Hooks) -> None:
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        order = await hooks.order()
        await hooks.append(order)
        off = await hooks.call("PATCH", f"/{endpoint['id']}", json={"status": "disabled"})
        assert (off.json()["status"], off.json()["disabled_reason"]) == ("disabled", "admin")
        await hooks.append(order, "order.refunded")
        await hooks.deliver()
        delivery = await hooks.delivery(endpoint)
        assert (delivery["status"], delivery["error"]) == ("failed", "the endpoint is disabled")
        path = f"/{endpoint['id']}/deliveries/{delivery['id']}/redeliver"
        assert problem(await hooks.call("POST", path)) == (409, "webhook-endpoint-disabled")
        on = await hooks.call("PATCH", f"/{endpoint['id']}", json={"status": "enabled"})
        assert (on.json()["status"], on.json()["disabled_reason"]) == ("enabled", None)
        assert (await hooks.call("POST", path)).status_code == 202
        await hooks.deliver()
        assert [request.event["type"] for request in receiver.received] == ["order.paid"]


async def test_an_endpoint_is_disabled_after_five_days_of_failures_and_the_others_are_told(
    hooks: Hooks, sql: Sql
) -> None:
    failing = [answer(500)] * 3
    async with receiving(*failing) as bad, receiving() as good:
        endpoint, other = await hooks.subscribe(bad.url), await hooks.subscribe(good.url)
        deaf = await hooks.subscribe(good.url, event_types=["order.refunded"])
        order = await hooks.order()
        await hooks.append(order)
        await hooks.append(order, "order.disputed")
        for days in ("0", "4 days 23:59", "5 days"):
            assert (await hooks.look(endpoint))["status"] == "enabled"
            await sql.execute(
                "UPDATE webhook_endpoints SET first_failure_at = now() - $1::text::interval"
                " WHERE first_failure_at IS NOT NULL",
                days,
            )
            await hooks.make_due()
            await hooks.deliver()
        disabled = await hooks.look(endpoint)
        assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "failures")
        await hooks.deliver()
        assert len(bad.received) == 3
        (told,) = [
            request.event for request in good.received if request.event["type"] == "webhook_endpoint.disabled"
        ]
        assert told["data"]["object"] == disabled
    own = {delivery["event_type"]: delivery for delivery in await hooks.deliveries(endpoint)}
    assert {kind: delivery["status"] for kind, delivery in own.items()} == {
        "order.paid": "failed",
        "order.disputed": "failed",
        "webhook_endpoint.disabled": "failed",
    }
    assert own["order.paid"]["response_status"] == 500
    assert own["webhook_endpoint.disabled"]["event_id"] == told["id"]
    assert len(await hooks.deliveries(other)) == 3
    assert await hooks.deliveries(deaf) == []


async def test_a_success_ends_the_failures_that_an_endpoint_is_disabled_for(hooks: Hooks, sql: Sql) -> None:
    async with receiving(answer(500), answer(200), answer(500)) as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await hooks.deliver()
        await sql.execute("UPDATE webhook_endpoints SET first_failure_at = now() - interval '6 days'")
        await hooks.make_due()
        await hooks.deliver()
        assert (await hooks.look(endpoint))["first_failure_at"] is None
        await hooks.append(await hooks.order())
        await hooks.deliver()
        assert (await hooks.look(endpoint))["status"] == "enabled"


async def test_an_event_that_fails_for_five_days_at_a_working_endpoint_is_given_up(
    hooks: Hooks, sql: Sql
) -> None:
    async with receiving(answer(500), answer(500)) as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        order = await hooks.order()
        await hooks.append(order)
        await hooks.append(order, "order.refunded")
        await hooks.deliver()
        await sql.execute(
            "UPDATE webhook_deliveries SET failing_since = now() - interval '5 days', due_at = now()"
            " WHERE failing_since IS NOT NULL"
        )
        await hooks.deliver()
        await hooks.deliver()  # the next look: nothing had arrived any more
    given_up = {delivery["event_type"]: delivery["status"] for delivery in await hooks.deliveries(endpoint)}
    assert given_up == {"order.paid": "failed", "order.refunded": "delivered"}


async def test_attempts_are_counted_by_their_outcome(
    hooks: Hooks, sql: Sql, registry: CollectorRegistry
) -> None:
    def counted() -> list[float | None]:
        return [
            registry.get_sample_value("payment_webhook_attempts_total", {"outcome": outcome})
            for outcome in ("delivered", "retried", "given_up")
        ]

    assert counted() == [0, 0, 0]
    async with receiving(answer(200), answer(500), answer(500)) as receiver:
        await hooks.subscribe(receiver.url)
        for _ in range(2):
            await hooks.append(await hooks.order())
            await hooks.deliver()
        assert counted() == [1, 1, 0]
        await sql.execute("UPDATE webhook_endpoints SET first_failure_at = now() - interval '5 days'")
        await hooks.make_due()
        await hooks.deliver()
    assert counted() == [1, 1, 1]


async def test_an_endpoint_that_is_being_deleted_keeps_no_event_from_being_stored(
    hooks: Hooks, sql: Sql, database_settings: DatabaseSettings
) -> None:
    await hooks.subscribe(URL)
    order = await hooks.order()
    arguments = database_settings.url.connect_arguments(application_name="tests")
    deleting: Sql = await asyncpg.connect(**arguments)
    try:
        async with deleting.transaction():
            await deleting.execute("DELETE FROM webhook_endpoints")
            adding = asyncio.create_task(hooks.append(order))
            await until(lambda: _is_waiting(sql))
        await adding
    finally:
        await deleting.close()
    assert await sql.fetchval("SELECT count(*) FROM webhook_deliveries") == 0
    assert (
        await sql.fetchval("SELECT count(*) FROM outgoing_events WHERE order_id = $1", UUID(order["id"])) == 1
    )


async def _is_waiting(sql: Sql) -> bool:
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE 'INSERT INTO webhook_deliveries%'"
    )
    return int(await sql.fetchval(count)) == 1


async def test_what_was_added_while_an_endpoint_was_being_disabled_is_given_up(
    hooks: Hooks, sql: Sql
) -> None:
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await sql.execute("UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = 'admin'")
        await hooks.deliver()
        assert receiver.connections == 0
    delivery = await hooks.delivery(endpoint)
    assert (delivery["status"], delivery["error"]) == ("failed", "the endpoint is disabled")


async def test_without_the_services_secret_nothing_is_sent_until_the_endpoints_own_is_rotated(
    hooks: Hooks, sql: Sql
) -> None:
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await sql.execute("UPDATE webhook_endpoints SET secret = 'of another key'")
        await hooks.deliver()
        assert receiver.connections == 0
        assert "rotate it" in (await hooks.delivery(endpoint))["error"]
        await hooks.call("POST", f"/{endpoint['id']}/rotate-secret")
        await hooks.make_due()
        await hooks.deliver()
        assert receiver.received[0].header("Quartet-Signature").count("v1=") == 1
    assert (await hooks.delivery(endpoint))["status"] == "delivered"


async def test_deliveries_that_have_ended_are_deleted_after_90_days(hooks: Hooks) -> None:
    endpoint = await hooks.subscribe("http://127.0.0.1:9/hooks")
    for _ in range(4):
        await hooks.append(await hooks.order())
    arrived, given_up, pending, young = await hooks.deliveries(endpoint)
    for each, ended, days in (
        (arrived, "done_at", 91),
        (given_up, "failed_at", 91),
        (pending, None, 91),
        (young, "done_at", 89),
    ):
        await hooks.sql.execute(
            f"UPDATE webhook_deliveries SET {ended or 'last_attempt_at'} = now(),"  # noqa: S608 - names of columns
            " created_at = now() - make_interval(days => $2) WHERE id = $1",
            each["id"],
            days,
        )
    database = hooks.app.component(Database)
    assert (await delete_old_deliveries(database), await delete_old_deliveries(database)) == (2, 0)
    assert {each["id"] for each in await hooks.deliveries(endpoint)} == {pending["id"], young["id"]}
