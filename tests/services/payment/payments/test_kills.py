"""Killed with -9 before and after each commit and each call of Stripe, and started again: once is once."""

import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from dbcommon.settings import DatabaseSettings
from standins.stripe.standin import StandIn
from tests.libs.webcommon.test_jwks import KeyServer
from tests.services.payment.killable import Failing, Killable, failing
from tests.services.payment.payments.test_once import pay_session, stock
from tests.services.payment.purchases import Purchases
from tests.services.payment.refunds.test_refunds import MAKE_DUE
from tests.services.payment.shop import Headers, Sql, until
from tests.services.payment.soundness import find_wrongs
from tests.services.payment.stripe_account import Json

END_LEASES = (
    "UPDATE idempotency_keys SET leased_until = now() WHERE leased_until IS NOT NULL",
    "UPDATE stripe_events SET due_at = now() WHERE done_at IS NULL",
    MAKE_DUE,
)
ANNOUNCED = "SELECT type FROM outgoing_events WHERE order_id = $1 ORDER BY sequence"


@dataclass(kw_only=True)
class Case:
    """An order of its own, to which a request is sent until it is answered."""

    purchases: Purchases
    sql: Sql
    buyer: Headers
    order: Json

    def at(self, process: Killable) -> Purchases:
        """The same purchases, at another process."""
        elsewhere = copy.copy(self.purchases)
        elsewhere.client = process.client
        return elsewhere

    async def announced(self) -> list[str]:
        """The events that subscribers are told of."""
        return [row["type"] for row in await self.sql.fetch(ANNOUNCED, self.order["id"])]

    async def status(self) -> str:
        """The order's."""
        return str((await self.purchases.read(self.order, buyer=self.buyer))["status"])


Prepare = Callable[[Purchases, Headers], Awaitable[Json]]
Send = Callable[[Case, Killable], Awaitable[httpx.Response]]
Finish = Callable[[Case, httpx.Response], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Action:
    """A request: before it, itself, and what has to hold once it was answered."""

    prepare: Prepare
    send: Send
    finish: Finish


async def order_limited(purchases: Purchases, buyer: Headers) -> Json:
    return await purchases.ordered(buyer=buyer, stock=3)


async def order_and_begin(purchases: Purchases, buyer: Headers) -> Json:
    order = await order_limited(purchases, buyer)
    await purchases.secret(order, buyer=buyer)
    return order


async def order_and_confirm(purchases: Purchases, buyer: Headers) -> Json:
    order = await order_limited(purchases, buyer)
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.account.confirm(secret)).status_code == 200
    return order


async def order_and_pay(purchases: Purchases, buyer: Headers) -> Json:
    return await purchases.paid(buyer=buyer, stock=3)


async def pay(case: Case, process: Killable) -> httpx.Response:
    return await case.at(process).pay(case.order, buyer=case.buyer)


async def is_paid(case: Case, answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    (intent,) = case.purchases.intents_of(case.order)
    assert answer.json()["client_secret"] == intent["client_secret"]
    assert (await case.purchases.account.confirm(intent["client_secret"])).status_code == 200
    await is_paid_once(case)


async def is_paid_once(case: Case, _: httpx.Response | None = None) -> None:
    await case.purchases.catch_up()
    await case.purchases.sweep()
    assert await case.status() == "paid"
    assert await case.announced() == ["order.paid"]
    assert await stock(case.purchases, case.order) == (2, 2)


async def checkout(case: Case, process: Killable) -> httpx.Response:
    return await case.at(process).checkout(case.order, buyer=case.buyer)


async def is_checked_out(case: Case, answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    open_sessions = [
        each
        for each in case.purchases.account.all("checkout.session")
        if (each["metadata"]["order_id"], each["status"]) == (case.order["id"], "open")
    ]
    assert [each["url"] for each in open_sessions] == [answer.json()["url"]]
    assert await pay_session(case.purchases, open_sessions[0]["id"]) == 200
    await is_paid_once(case)


async def cancel(case: Case, process: Killable) -> httpx.Response:
    return await case.at(process).cancel(case.order, buyer=case.buyer)


async def is_cancelled(case: Case, answer: httpx.Response) -> None:
    # 409: it was cancelled before the answer was lost.
    assert answer.status_code in (200, 409), answer.text
    assert await case.status() == "cancelled"
    (intent,) = case.purchases.intents_of(case.order)
    assert intent["status"] == "canceled"
    assert await stock(case.purchases, case.order) == (3, 3)
    assert await case.announced() == []


async def refund(case: Case, process: Killable) -> httpx.Response:
    pieces = [{"sku": case.order["items"][0]["sku"], "quantity": 1}]
    return await case.at(process).refund(case.order, key=case.order["id"], restock=pieces)


async def is_refunded(case: Case, answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded"), answer.text
    await case.purchases.catch_up()
    await case.purchases.sweep()
    (made,) = await case.purchases.refunds(case.order)
    at_stripe = [each["id"] for each in case.purchases.account.all("refund")]
    assert at_stripe.count(made["stripe_id"]) == 1
    assert await case.status() == "refunded"
    assert await stock(case.purchases, case.order) == (3, 3)
    assert await case.announced() == ["order.paid", "order.refunded"]


async def tell(case: Case, process: Killable) -> httpx.Response:
    """Stripe sends the event of the success until it is taken; then the process's worker applies it."""
    (intent,) = case.purchases.intents_of(case.order)
    (event,) = (
        each
        for each in case.purchases.account.all("event")
        if (each["type"], each["data"]["object"]["id"]) == ("payment_intent.succeeded", intent["id"])
    )
    (answer,) = await case.purchases.account.deliver(process.client, [event])

    async def is_over() -> bool:
        return await process.is_gone() or await case.status() == "paid"

    await until(is_over)
    return answer


ACTIONS = {
    "pay": Action(prepare=order_limited, send=pay, finish=is_paid),
    "checkout": Action(prepare=order_limited, send=checkout, finish=is_checked_out),
    "checkout instead": Action(prepare=order_and_begin, send=checkout, finish=is_checked_out),
    "cancel": Action(prepare=order_and_begin, send=cancel, finish=is_cancelled),
    "refund": Action(prepare=order_and_pay, send=refund, finish=is_refunded),
    "event": Action(prepare=order_and_confirm, send=tell, finish=is_paid_once),
}


@pytest_asyncio.fixture(scope="module")
async def program(
    database_settings: DatabaseSettings,
    key_server: KeyServer,
    standin: StandIn,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Failing]:
    """Processes that do nothing by themselves but apply the events that they are sent."""
    never = dict.fromkeys(("PAYMENT_SWEEP_SECONDS", "PAYMENT_EVENT_SECONDS"), "3600")
    environment = {
        "PAYMENT_DATABASE_URL": database_settings.url.reveal(),
        "PAYMENT_SECRET": "s" * 32,
        "AUTH_JWKS_URL": key_server.url,
        "STRIPE_STANDIN_URL": standin.account.base_url,
        "STRIPE_MAX_RPS": "1000",
        "LOG_LEVEL": "error",
        **never,
    }
    async with failing(environment, folder=tmp_path_factory.mktemp("points")) as program:
        yield program


async def prepared(action: Action, purchases: Purchases, sql: Sql) -> Case:
    buyer = purchases.buyer()
    order = await action.prepare(purchases, buyer)
    purchases.account.take_events()
    return Case(purchases=purchases, sql=sql, buyer=buyer, order=order)


async def survive(action: Action, purchases: Purchases, sql: Sql, program: Failing, point: str) -> None:
    """The process is killed at the point, and started again; then the request is repeated."""
    case = await prepared(action, purchases, sql)
    async with program.process(point) as process:
        with contextlib.suppress(httpx.TransportError):
            await action.send(case, process)
        await until(process.is_gone)
    for statement in END_LEASES:
        await sql.execute(statement)
    async with program.process() as process:
        answer = await action.send(case, process)
    await action.finish(case, answer)
    assert await find_wrongs(sql, purchases.account) == []


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("pay", "after payment_intents.create:1"),
        ("refund", "after refunds.create:1"),
        ("event", "after payment_intents.retrieve:1"),
    ],
)
async def test_killed_after_a_call_of_stripe(
    purchases: Purchases, sql: Sql, program: Failing, name: str, point: str
) -> None:
    await survive(ACTIONS[name], purchases, sql, program, point)


@pytest.mark.long
@pytest.mark.parametrize("name", ACTIONS)
async def test_killed_at_each_point(purchases: Purchases, sql: Sql, program: Failing, name: str) -> None:
    action = ACTIONS[name]
    case = await prepared(action, purchases, sql)
    async with program.process() as process:
        answer = await action.send(case, process)
        points = process.points
    await action.finish(case, answer)
    assert len(points) >= 6
    for point in points:
        try:
            await survive(action, purchases, sql, program, point)
        except BaseException as error:
            error.add_note(f"killed {point}")
            raise
