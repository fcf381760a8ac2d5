"""One customer, one payment, one thing that can be paid: whatever buyers, banks and Stripe do."""

import asyncio

import pytest

from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.shop import Sql, problem
from tests.services.payment.soundness import find_wrongs
from tests.services.payment.stripe_account import Json

LAPSE = "UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = $1"


async def pay_session(purchases: Purchases, session: str, method: str = "pm_card_visa") -> int:
    """The status of a payment on Stripe's page."""
    answer = await purchases.account.http.post(
        f"/v1/payment_pages/{session}/confirm",
        data={"payment_method": method, "key": "pk_test_quartet_standin"},
    )
    return answer.status_code


def live_customers(purchases: Purchases) -> list[Json]:
    return [each for each in purchases.account.all("customer") if not each.get("deleted")]


async def test_lock_timeouts_delay_a_payment_and_refuse_nothing(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    purchases.account.break_next("lock_timeout", times=2)
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.account.confirm(secret)).status_code == 200
    purchases.account.break_next("lock_timeout", method="GET", times=2)
    await purchases.catch_up()
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
    assert await find_wrongs(sql, purchases.account) == []


@pytest.mark.parametrize("calls", [1, pytest.param(20, marks=pytest.mark.long)])
async def test_deleted_customer_is_made_anew_once(purchases: Purchases, sql: Sql, calls: int) -> None:
    buyer = purchases.buyer()
    await purchases.secret(await purchases.ordered(buyer=buyer), buyer=buyer)
    [customer] = live_customers(purchases)
    await purchases.account.client.v1.customers.delete_async(customer["id"])
    order = await purchases.ordered(buyer=buyer)
    answers = await asyncio.gather(*(purchases.pay(order, buyer=buyer) for _ in range(calls)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["client_secret"] for answer in answers}) == 1
    assert len(live_customers(purchases)) == 1
    assert len(purchases.intents_of(order)) == 1
    assert await find_wrongs(sql, purchases.account) == []


@pytest.mark.long
async def test_twenty_first_orders_of_a_user_make_one_customer(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    product = await purchases.shop.offer()
    orders = [await purchases.shop.placed({product["sku"]: 1}, buyer=buyer) for _ in range(20)]
    answers = await asyncio.gather(*(purchases.pay(order, buyer=buyer) for order in orders))
    assert {answer.status_code for answer in answers} == {200}
    assert len(purchases.account.all("customer")) == 1
    assert len(purchases.account.all("payment_intent")) == 20
    assert await find_wrongs(sql, purchases.account) == []


async def test_amount_that_the_account_refuses_leaves_the_order_as_it_was(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order, other = [await purchases.ordered(buyer=buyer) for _ in range(2)]
    purchases.account.break_next("amount_too_small", "/v1/payment_intents", times=2)
    for each in (order, other):
        refused = await purchases.pay(each, buyer=buyer)
        assert problem(refused) == (422, "amount-not-chargeable")
        assert refused.json()["detail"] == "Amount must convert to at least 50 cents."
        assert (await purchases.read(each, buyer=buyer))["status"] == "pending"
    assert len(purchases.account.all("customer")) == 1
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.account.confirm(secret)).status_code == 200
    await purchases.catch_up()
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
    assert (await purchases.cancel(other, buyer=buyer)).json()["status"] == "cancelled"
    assert await find_wrongs(sql, purchases.account) == []


async def test_retry_sends_what_was_stored_whatever_the_user_has_become(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    for path in ("/v1/customers", "/v1/payment_intents"):
        purchases.account.break_next("drop_connection", path, when="after", times=1)
        purchases.account.break_next("idempotency_key_in_use", path, times=9)
        assert problem(await purchases.pay(order, buyer=buyer)) == (503, "stripe-unavailable")
        purchases.account.standin.faults.waiting.clear()
        await sql.execute("UPDATE users SET email = id || '@new.example.com', name = 'New'")
    await purchases.secret(order, buyer=buyer)
    assert (len(purchases.account.all("customer")), len(purchases.intents_of(order))) == (1, 1)
    assert await find_wrongs(sql, purchases.account) == []


async def test_address_that_stripe_refuses_stops_nobody_from_paying(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    await sql.execute("UPDATE users SET email = 'nobody' WHERE id = $1", order["user_id"])
    await purchases.secret(order, buyer=buyer)
    (customer,) = purchases.account.all("customer")
    assert (customer["email"], customer["metadata"]["user_id"]) == (None, order["user_id"])


async def test_session_that_could_not_be_made_in_time_is_made_anew(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    purchases.account.break_next("drop_connection", "/v1/checkout/sessions", times=9)
    assert problem(await purchases.checkout(order, buyer=buyer)) == (503, "stripe-unavailable")
    purchases.account.standin.faults.waiting.clear()
    # The stored session has to end within 31 minutes of its storing, and Stripe's shortest life is 30.
    await sql.execute(
        "UPDATE payment_attempts SET parameters = parameters || jsonb_build_object('expires_at',"
        " (parameters->>'expires_at')::bigint - 120) WHERE stripe_id IS NULL"
    )
    assert (await purchases.checkout(order, buyer=buyer)).status_code == 200
    assert len(purchases.account.all("checkout.session")) == 1
    assert await find_wrongs(sql, purchases.account) == []


async def test_session_that_is_known_from_its_event_alone_can_be_returned_to(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    url = (await purchases.checkout(order, buyer=buyer)).json()["url"]
    await sql.execute(
        "UPDATE payment_attempts SET url = NULL, client_secret = NULL WHERE order_id = $1", order["id"]
    )
    again = await purchases.checkout(order, buyer=buyer)
    assert (again.status_code, again.json()) == (200, {"url": url})
    assert await find_wrongs(sql, purchases.account) == []


async def test_session_that_is_found_after_it_was_paid_pays_the_order(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    assert (await purchases.checkout(order, buyer=buyer)).status_code == 200
    # As if the answer had been lost, and Stripe had forgotten its key.
    await sql.execute(
        "UPDATE payment_attempts SET url = NULL, stripe_id = NULL, first_sent_at = now() - interval '25 hours'"
        " WHERE order_id = $1",
        order["id"],
    )
    (session,) = purchases.account.all("checkout.session")
    assert await pay_session(purchases, session["id"]) == 200
    assert problem(await purchases.checkout(order, buyer=buyer)) == (409, "order-not-payable")
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
    assert await find_wrongs(sql, purchases.account) == []


async def test_one_thing_can_be_paid_at_any_moment_and_what_was_closed_is_kept(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    urls = []
    for page in ("one", "one", "two"):
        answer = await purchases.checkout(order, buyer=buyer, page=page)
        urls.append(answer.json()["url"])
        assert await find_wrongs(sql, purchases.account) == []
    assert urls[0] == urls[1]
    secret = await purchases.secret(order, buyer=buyer)
    sessions = purchases.account.all("checkout.session")
    assert [each["status"] for each in sessions] == ["expired", "expired"]
    assert [await pay_session(purchases, each["id"]) for each in sessions] == [400, 400]
    assert (await purchases.account.confirm(secret)).status_code == 200
    await purchases.catch_up()
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
    rows = await sql.fetch(
        "SELECT kind, outcome FROM payment_attempts WHERE order_id = $1 ORDER BY id", order["id"]
    )
    assert [tuple(row) for row in rows] == [
        ("checkout_session", "expired"),
        ("checkout_session", "expired"),
        ("payment_intent", "succeeded"),
    ]
    assert await find_wrongs(sql, purchases.account) == []


async def test_calls_of_both_kinds_at_once_leave_one_thing_to_pay(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    answers = await asyncio.gather(
        *(call(order, buyer=buyer) for _ in range(5) for call in (purchases.pay, purchases.checkout))
    )
    # One that was closed by others each time is asked to come back.
    assert {answer.status_code for answer in answers} <= {200, 503}
    await purchases.sweep()
    assert await find_wrongs(sql, purchases.account) == []


async def revive(purchases: Purchases, order: Json, method: str = "pm_card_visa") -> None:
    """The order's first intent, which was cancelled, takes money all the same."""
    intent = purchases.intents_of(order)[0]
    fields = {"status": "requires_payment_method", "canceled_at": None, "cancellation_reason": None}
    await purchases.account.control("objects/change", kind="payment_intent", id=intent["id"], fields=fields)
    assert (await purchases.account.confirm(intent["client_secret"], method)).status_code == 200


async def settle_all(purchases: Purchases) -> None:
    """Twice, so that what is done once is done once."""
    for _ in range(2):
        await purchases.catch_up()
        await purchases.sweep()


async def test_second_success_is_refunded_by_itself_once_and_flagged(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    await purchases.secret(order, buyer=buyer)
    assert (await purchases.checkout(order, buyer=buyer)).status_code == 200
    (session,) = purchases.account.all("checkout.session")
    assert await pay_session(purchases, session["id"]) == 200
    await revive(purchases, order)
    await settle_all(purchases)
    paid = await purchases.read(order, buyer=buyer)
    assert figures(paid) == ("paid", "12.50", "0.00", "12.50", "0.00")
    assert paid["flag"] == "second_payment"
    (refund,) = await purchases.refunds(order)
    assert (refund["amount"], refund["status"], refund["is_automatic"]) == ("12.50", "succeeded", True)
    assert len(purchases.account.all("refund")) == 1
    assert await find_wrongs(sql, purchases.account) == []


async def timeline(purchases: Purchases, order: Json, *, buyer: dict[str, str]) -> list[tuple[str, str]]:
    answer = await purchases.client.get(f"/v1/orders/{order['id']}/timeline", headers=buyer)
    return [(each["subject"], each["to_status"]) for each in answer.json()["items"]]


async def test_money_for_a_cancelled_order_goes_back_by_itself_once(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer, stock=1)
    await purchases.secret(order, buyer=buyer)
    assert (await purchases.cancel(order, buyer=buyer)).json()["status"] == "cancelled"
    await revive(purchases, order)
    await settle_all(purchases)
    cancelled = await purchases.read(order, buyer=buyer)
    assert figures(cancelled)[:2] == ("cancelled", "0.00")
    assert cancelled["flag"] == "late_payment"
    assert len(purchases.account.all("refund")) == 1
    told = await timeline(purchases, order, buyer=buyer)
    wanted = [("order", "cancelled"), ("payment", "succeeded"), ("refund", "succeeded")]
    assert [each for each in told if each in wanted] == wanted
    assert await find_wrongs(sql, purchases.account) == []


async def test_cancel_that_comes_after_the_money_finds_the_order_paid(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer, stock=1)
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.account.confirm(secret)).status_code == 200
    assert problem(await purchases.cancel(order, buyer=buyer)) == (409, "order-not-cancellable")
    assert figures(await purchases.read(order, buyer=buyer))[:2] == ("paid", "12.50")
    await settle_all(purchases)
    assert await find_wrongs(sql, purchases.account) == []


async def stock(purchases: Purchases, order: Json) -> tuple[int, int]:
    """What is in stock of the order's product, and what of it can be sold."""
    sku = order["items"][0]["sku"]
    answer = await purchases.client.get(f"/v1/products/{sku}", headers=purchases.shop.admin)
    return answer.json()["stock"], answer.json()["available"]


async def test_lapsed_order_that_was_paid_unseen_is_paid_and_not_expired(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer, stock=3)
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.account.confirm(secret)).status_code == 200
    purchases.account.take_events()
    await sql.execute(LAPSE, order["id"])
    for _ in range(2):
        await purchases.sweep()
        assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
        assert await stock(purchases, order) == (2, 2)
    assert await find_wrongs(sql, purchases.account) == []


async def test_lapsed_session_is_expired_at_stripe_and_its_stock_comes_back(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer, stock=3)
    assert (await purchases.checkout(order, buyer=buyer)).status_code == 200
    assert await stock(purchases, order) == (3, 2)
    await sql.execute(LAPSE, order["id"])
    await purchases.sweep()
    (session,) = purchases.account.all("checkout.session")
    assert session["status"] == "expired"
    assert (await purchases.read(order, buyer=buyer))["status"] == "expired"
    assert await stock(purchases, order) == (3, 3)
    assert await find_wrongs(sql, purchases.account) == []


async def test_bank_debit_that_is_on_its_way_is_cancelled_by_nobody(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    secret = await purchases.secret(order, buyer=buyer)
    details = {"sepa_debit": {"iban": "DE89370400440532013000"}, "billing_details": {"name": "Ada"}}
    method = await purchases.account.client.v1.payment_methods.create_async(
        {"type": "sepa_debit", **details}  # type: ignore[arg-type]
    )
    assert (await purchases.account.confirm(secret, method.id)).json()["status"] == "processing"
    assert problem(await purchases.cancel(order, buyer=buyer)) == (409, "payment-processing")
    assert problem(await purchases.checkout(order, buyer=buyer)) == (409, "payment-processing")
    (intent,) = purchases.intents_of(order)
    assert intent["status"] == "processing"
    await purchases.account.control("payment_intents/finish_debit", id=intent["id"], succeeds=True)
    await purchases.catch_up()
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"


@pytest.mark.parametrize("succeeds", [True, False])
async def test_bank_debit_holds_the_order_until_the_bank_has_decided(
    purchases: Purchases, sql: Sql, succeeds: bool
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer, stock=3, currency="usd")
    assert (await purchases.checkout(order, buyer=buyer)).status_code == 200
    (session,) = purchases.account.all("checkout.session")
    session["payment_method_types"] = ["card", "us_bank_account"]
    assert await pay_session(purchases, session["id"], "pm_usBankAccount_processing") == 200
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
    await sql.execute(LAPSE, order["id"])
    await purchases.catch_up()
    await purchases.sweep()
    assert (await purchases.read(order, buyer=buyer))["status"] == "pending"
    assert (await purchases.progress(order, buyer=buyer))["status"] == "processing"
    assert await stock(purchases, order) == (3, 2)
    assert problem(await purchases.cancel(order, buyer=buyer)) == (409, "payment-processing")
    await purchases.account.control(
        "payment_intents/finish_debit", id=session["payment_intent"], succeeds=succeeds
    )
    await purchases.catch_up()
    await purchases.sweep()
    ended = (await purchases.read(order, buyer=buyer))["status"], *await stock(purchases, order)
    assert ended == (("paid", 2, 2) if succeeds else ("expired", 3, 3))
    assert await find_wrongs(sql, purchases.account) == []


async def test_sixteen_buyers_of_five_pieces_pay_for_five(purchases: Purchases, sql: Sql) -> None:
    product = await purchases.shop.offer(stock=5)
    buyers = [purchases.buyer() for _ in range(16)]

    async def buy(buyer: dict[str, str]) -> str | None:
        answer = await purchases.shop.order({product["sku"]: 1}, buyer=buyer)
        if answer.status_code == 409:
            return None
        order: Json = answer.json()
        secret = await purchases.secret(order, buyer=buyer)
        assert (await purchases.account.confirm(secret)).status_code == 200
        return str(order["id"])

    bought = [each for each in await asyncio.gather(*map(buy, buyers)) if each is not None]
    await purchases.catch_up()
    rows = await sql.fetch("SELECT status FROM orders WHERE id = ANY($1::uuid[])", bought)
    assert [row["status"] for row in rows] == ["paid"] * 5
    assert await find_wrongs(sql, purchases.account) == []


async def test_eleven_declines_within_an_hour_are_enough(purchases: Purchases, sql: Sql) -> None:
    tester, other = purchases.buyer(), purchases.buyer()
    order = await purchases.ordered(buyer=tester)
    secret = await purchases.secret(order, buyer=tester)
    for number in range(11):
        assert (await purchases.pay(order, buyer=tester)).status_code == 200, number
        assert (await purchases.account.confirm(secret, "pm_card_chargeDeclined")).status_code == 402
    await purchases.catch_up()
    for refused in (await purchases.pay(order, buyer=tester), await purchases.checkout(order, buyer=tester)):
        assert problem(refused) == (429, "payment-attempts-exceeded")
        assert 3000 < int(refused.headers["retry-after"]) <= 3600
    await purchases.secret(theirs := await purchases.ordered(buyer=other), buyer=other)
    await purchases.sweep()
    assert purchases.intents_of(order)[0]["status"] == "canceled"
    assert purchases.intents_of(theirs)[0]["status"] == "requires_payment_method"
    await sql.execute("UPDATE declines SET at = at - interval '1 hour'")
    await purchases.secret(order, buyer=tester)


async def test_more_than_twenty_open_orders_are_too_many(purchases: Purchases) -> None:
    hoarder, other = purchases.buyer(), purchases.buyer()
    product = await purchases.shop.offer()
    orders = [await purchases.shop.placed({product["sku"]: 1}, buyer=hoarder) for _ in range(21)]
    refused = await purchases.pay(orders[0], buyer=hoarder)
    assert problem(refused) == (429, "payment-attempts-exceeded")
    assert int(refused.headers["retry-after"]) > 0
    await purchases.secret(await purchases.ordered(buyer=other), buyer=other)
    assert (await purchases.cancel(orders[1], buyer=hoarder)).status_code == 200
    await purchases.secret(orders[0], buyer=hoarder)
