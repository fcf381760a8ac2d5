"""What the webhook takes, and what it refuses: never with an error of its own, and never storing what it refused."""

import asyncio
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from payment.main import create_app
from payment.settings import Settings
from payment.settings.stripe import STANDIN_WEBHOOK_SECRET
from tests.clients import running
from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.shop import Sql, problem, until
from tests.tokens import TokenMint

WEBHOOK = "/v1/webhooks/stripe"
REFUSED = (400, "invalid-stripe-event")


def event(**fields: Any) -> dict[str, Any]:
    """An event of somebody else's customer."""
    usual = {
        "id": f"evt_{time.time_ns()}",
        "object": "event",
        "type": "customer.created",
        "api_version": "2026-10-28.endive",
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
    return usual | fields


def mark(body: bytes, at: int | str, secret: str = STANDIN_WEBHOOK_SECRET) -> str:
    """A signature of a body."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes, *, off: int = 0, secret: str = STANDIN_WEBHOOK_SECRET) -> str:
    """The header, made so many seconds from now."""
    at = int(time.time()) + off
    return f"t={at},v1={mark(body, at, secret)}"


async def send(client: httpx.AsyncClient, body: bytes, header: str | None) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({} if header is None else {"Stripe-Signature": header})
    return await client.post(WEBHOOK, content=body, headers=headers)


async def count(sql: Sql) -> int:
    number: int = await sql.fetchval("SELECT count(*) FROM stripe_events")
    return number


async def test_signed_event_is_stored_once_as_it_came(client: httpx.AsyncClient, sql: Sql) -> None:
    made = event()
    body = json.dumps(made, indent=2).encode()
    answers = await asyncio.gather(*(send(client, body, signed(body)) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    rows = await sql.fetch("SELECT body, type, api_version FROM stripe_events WHERE id = $1", made["id"])
    assert [tuple(row) for row in rows] == [(body.decode(), "customer.created", "2026-10-28.endive")]


HEADERS = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "old": lambda body: signed(body, off=-301),
    "of the future": lambda body: signed(body, off=310),
    "of another body": lambda body: signed(body + b" "),
    "wrong secret": lambda body: signed(body, secret="whsec_other"),
    "v0 only": lambda body: signed(body).replace("v1=", "v0="),
    "no time": lambda body: signed(body).partition(",")[2],
    "time that is no number": lambda body: f"t=now,v1={mark(body, 'now')}",
    "time with a sign": lambda body: f"t=+{int(time.time())},v1={mark(body, f'+{int(time.time())}')}",
    "digits of another script": lambda body: "t=\u0661,v1=" + mark(body, "\u0661"),
    "endless time": lambda body: f"t={'9' * 400},v1={mark(body, '9' * 400)}",
    "two times": lambda body: f"t=1,{signed(body)}",
    "upper case": lambda body: signed(body).replace("v1=", "V1="),
    "garbage": lambda _: "\u00ff\u00fe=;,,=,t,v1",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
async def test_bad_signature_is_refused_and_nothing_stored(
    client: httpx.AsyncClient, sql: Sql, header: Any
) -> None:
    body = json.dumps(event()).encode()
    before = await count(sql)
    given = header(body)
    headers = {} if given is None else {b"stripe-signature": given.encode()}
    assert problem(await client.post(WEBHOOK, content=body, headers=headers)) == REFUSED
    assert await count(sql) == before


async def test_body_that_was_written_anew_is_refused(client: httpx.AsyncClient, sql: Sql) -> None:
    made = event()
    header = signed(json.dumps(made, indent=2).encode())
    before = await count(sql)
    assert problem(await send(client, json.dumps(made).encode(), header)) == REFUSED
    assert await count(sql) == before


async def test_times_just_within_the_tolerance_and_several_marks_are_taken(client: httpx.AsyncClient) -> None:
    body = json.dumps(event()).encode()
    for off in (-290, 290):
        assert (await send(client, body, signed(body, off=off))).status_code == 200
    at = int(time.time())
    several = f"t={at},v1={'0' * 64},v0={'1' * 64},v1={mark(body, at)},v1={mark(body, at, 'whsec_old')}"
    assert (await send(client, body, several)).status_code == 200


async def test_either_secret_of_a_rotation_signs(settings: Settings, mint: TokenMint, sql: Sql) -> None:
    async def is_caught_up() -> bool:
        waiting = "SELECT count(*) FROM stripe_events WHERE done_at IS NULL AND failed_at IS NULL"
        return bool(await sql.fetchval(waiting) == 0)

    rolled = settings.model_copy(update={"stripe_webhook_secrets": SecretStr("whsec_new, whsec_old")})
    async with running(create_app(rolled, issuers=[mint.issuer])) as client:
        body = json.dumps(event()).encode()
        for secret in ("whsec_new", "whsec_old"):
            assert (await send(client, body, signed(body, secret=secret))).status_code == 200
        assert problem(await send(client, body, signed(body))) == REFUSED
        # Its worker would keep for a minute what it was stopped at.
        await until(is_caught_up)


BODIES = {
    "empty": b"",
    "no UTF-8": b'{"id": "\xff"}',
    "no JSON": b"{",
    "a list": b"[]",
    "a string": b'"event"',
    "null": b"null",
    "endless number": b"1" * 10_000,
    "deep": b"[" * 100_000,
    "NUL": b"{}\x00",
    "another object": json.dumps(event(object="charge")).encode(),
    "no id": json.dumps(event(id=None)).encode(),
    "id that is a number": json.dumps(event(id=1)).encode(),
    "id of half a character": json.dumps(event(id="\ud800")).encode(),
    "id with NUL": json.dumps(event(id="evt\x00")).encode(),
    "long id": json.dumps(event(id="e" * 5_000)).encode(),
    "no type": json.dumps(event(type=None)).encode(),
    "type that is a list": json.dumps(event(type=[])).encode(),
    "no mode": json.dumps(event(livemode=None)).encode(),
    "mode that is a word": json.dumps(event(livemode="false")).encode(),
    "no data": json.dumps(event(data=None)).encode(),
    "data that is a list": json.dumps(event(data=[1])).encode(),
    "data that is a string": json.dumps(event(data="x")).encode(),
    "object that is a string": json.dumps(event(data={"object": "cus_1"})).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_what_is_no_event_is_refused_and_nothing_stored(
    client: httpx.AsyncClient, sql: Sql, body: bytes
) -> None:
    before = await count(sql)
    assert problem(await send(client, body, signed(body))) == REFUSED
    assert await count(sql) == before


STRANGE = {
    "unknown fields": event(context=None, extra={"deep": [1, {"x": "\ud800"}]}),
    "metadata that is a list": event(
        type="payment_intent.succeeded", data={"object": {"id": "pi_1", "metadata": [1]}}
    ),
    "intent without an id": event(type="payment_intent.succeeded", data={"object": {}}),
    "intent that was expanded": event(
        type="charge.refunded", data={"object": {"payment_intent": {"id": "pi_1"}}}
    ),
    "error that is a string": event(
        type="payment_intent.payment_failed", data={"object": {"id": "pi_1", "last_payment_error": "x"}}
    ),
    "version that is a number": event(api_version=3),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
async def test_strange_event_is_taken_and_found_foreign(
    purchases: Purchases, sql: Sql, strange: dict[str, Any]
) -> None:
    made = strange | {"id": f"evt_{time.time_ns()}"}
    body = json.dumps(made).encode()
    assert (await send(purchases.client, body, signed(body))).status_code == 200
    await purchases.work()
    row = await sql.fetchrow(
        "SELECT done_at, foreign_because, last_error FROM stripe_events WHERE id = $1", made["id"]
    )
    assert row is not None
    assert (row["done_at"] is not None, row["foreign_because"] is not None, row["last_error"]) == (
        True,
        True,
        None,
    )


async def test_two_megabytes_are_refused(client: httpx.AsyncClient, sql: Sql) -> None:
    body = json.dumps(event(padding="x" * 2_000_000)).encode()
    before = await count(sql)
    assert problem(await send(client, body, signed(body))) == (413, "content-too-large")
    assert await count(sql) == before


async def test_absent_database_is_503_so_that_stripe_sends_it_again(
    settings: Settings, mint: TokenMint
) -> None:
    nowhere = DatabaseSettings(url=DatabaseUrl(user="nobody", hosts=(("127.0.0.1", 1),), database="nothing"))
    app = create_app(settings.model_copy(update={"database": nowhere}), issuers=[mint.issuer])
    async with running(app) as client:
        body = json.dumps(event()).encode()
        answer = await send(client, body, signed(body))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert problem(await send(client, body, "t=1,v1=x")) == REFUSED


async def test_two_events_of_one_change_have_one_effect(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    assert (await purchases.account.confirm(await purchases.secret(order, buyer=buyer))).status_code == 200
    events = purchases.account.take_events()
    doubles = [each | {"id": f"{each['id']}again"} for each in events]
    await asyncio.gather(
        *(purchases.account.deliver(purchases.client, [each]) for each in [*events, *doubles] * 5)
    )
    await purchases.work()
    assert figures(await purchases.read(order, buyer=buyer)) == ("paid", "12.50", "0.00", "12.50", "0.00")
    entries = "SELECT count(*) FROM ledger_entries WHERE order_id = $1 AND movement LIKE 'charge %'"
    assert await sql.fetchval(entries, order["id"]) == 2
    told = await sql.fetch("SELECT type FROM outgoing_events WHERE order_id = $1", order["id"])
    assert [row["type"] for row in told] == ["order.paid"]
    paid = (
        "SELECT count(*) FROM payment_events WHERE order_id = $1 AND subject = 'order' AND to_status = 'paid'"
    )
    assert await sql.fetchval(paid, order["id"]) == 1
