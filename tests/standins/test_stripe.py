"""The stand-in for Stripe, judged by Stripe's own client: customers, payments, refunds, lists, events, idempotency."""

import httpx
import pytest
import stripe

from standins.stripe.standin import StandIn
from tests.standins.stripe_clients import KEY, PUBLISHABLE_KEY, error_of, intent_of


def types_of(standin: StandIn, id: str) -> list[str]:  # noqa: A002 - Stripe's word
    """The types of the events about an object or about what belongs to the PaymentIntent of this id."""
    events = standin.account.objects["event"].values()
    return [
        event["type"]
        for event in events
        if id in (event["data"]["object"]["id"], event["data"]["object"].get("payment_intent"))
    ]


async def test_a_payment_succeeds_and_its_fee_is_known_later(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    customer = await client.v1.customers.create_async({"email": "ada@example.com", "metadata": {"user": "7"}})
    made = await client.v1.payment_intents.create_async(
        intent_of(customer=customer.id, metadata={"order": "1"})
    )
    assert (made.status, made.amount, made.customer, made.latest_charge) == (
        "requires_payment_method",
        1999,
        customer.id,
        None,
    )
    paid = await client.v1.payment_intents.confirm_async(
        made.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]}
    )
    assert (paid.status, paid.amount_received) == ("succeeded", 1999)
    assert isinstance(paid.latest_charge, stripe.Charge)
    assert (paid.latest_charge.captured, paid.latest_charge.balance_transaction) == (True, None)
    standin.account.advance(2)
    charge = await client.v1.charges.retrieve_async(
        paid.latest_charge.id, {"expand": ["balance_transaction"]}
    )
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (88, 1911)
    assert types_of(standin, made.id) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ],
)
async def test_a_declined_payment_can_be_tried_again(
    standin: StandIn, client: stripe.StripeClient, method: str, code: str, decline_code: str | None
) -> None:
    made = await client.v1.payment_intents.create_async(intent_of())
    with pytest.raises(stripe.CardError) as raised:
        await client.v1.payment_intents.confirm_async(made.id, {"payment_method": method})
    assert (raised.value.http_status, raised.value.code) == (402, code)
    read = (await client.v1.payment_intents.retrieve_async(made.id)).to_dict()
    assert (read["status"], read["payment_method"]) == ("requires_payment_method", None)
    assert (read["last_payment_error"]["code"], read["last_payment_error"].get("decline_code")) == (
        code,
        decline_code,
    )
    paid = await client.v1.payment_intents.confirm_async(made.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    assert types_of(standin, made.id)[1:5] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


@pytest.mark.parametrize(
    ("succeeds", "status"), [("true", "succeeded"), ("false", "requires_payment_method")]
)
async def test_three_d_secure_is_a_page(
    client: stripe.StripeClient, http: httpx.AsyncClient, succeeds: str, status: str
) -> None:
    asked = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_card_threeDSecure2Required")
    )
    action = asked.to_dict()["next_action"]
    assert (asked.status, action["type"]) == ("requires_action", "use_stripe_sdk")
    page = action["use_stripe_sdk"]["stripe_js"]
    assert "Complete" in (await http.get(page)).text
    await http.post(page, data={"succeeds": succeeds})
    read = await client.v1.payment_intents.retrieve_async(asked.id)
    assert (read.status, read.next_action) == (status, None)
    assert (await http.get(page.partition("?")[0], params={"key": "no"})).status_code == 200
    assert (await http.post(page.partition("?")[0])).status_code == 404


async def test_a_bank_debit_is_decided_later(standin: StandIn, client: stripe.StripeClient) -> None:
    good, bad = [
        await client.v1.payment_intents.create_async(
            intent_of(confirm=True, payment_method=f"pm_usBankAccount_{name}")
        )
        for name in ("success", "insufficientFunds")
    ]
    assert (good.status, bad.status) == ("processing", "processing")
    standin.account.advance(61)
    read = [(await client.v1.payment_intents.retrieve_async(each.id)).status for each in (good, bad)]
    assert read == ["succeeded", "requires_payment_method"]


async def test_a_publishable_key_confirms_with_the_client_secret_and_sees_less(
    standin: StandIn, client: stripe.StripeClient, http: httpx.AsyncClient
) -> None:
    made = await client.v1.payment_intents.create_async(intent_of(metadata={"order": "1"}))
    path, headers = f"/v1/payment_intents/{made.id}", {"Authorization": f"Bearer {PUBLISHABLE_KEY}"}
    wrong = await http.post(f"{path}/confirm", headers=headers, data={"client_secret": "no"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "client_secret")
    secret = {"client_secret": made.client_secret or ""}
    declined = await http.post(
        f"{path}/confirm", headers=headers, data=secret | {"payment_method": "pm_card_chargeDeclined"}
    )
    assert declined.status_code == 402
    assert "metadata" not in declined.json()["error"]["payment_intent"]
    paid = await http.post(
        f"{path}/confirm", headers=headers, data=secret | {"payment_method": "pm_card_visa"}
    )
    assert paid.json()["status"] == "succeeded"
    assert not {"metadata", "customer", "latest_charge"}.intersection(paid.json())
    assert (await http.get(path, headers=headers, params=secret)).json()["status"] == "succeeded"
    refused = await http.get("/v1/payment_intents", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "secret_key_required")


async def test_a_succeeded_intent_cannot_be_cancelled_and_an_open_one_can(
    client: stripe.StripeClient,
) -> None:
    paid = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_card_visa")
    )
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await client.v1.payment_intents.cancel_async(paid.id)
    error = error_of(raised.value)
    assert (raised.value.http_status, error["code"]) == (400, "payment_intent_unexpected_state")
    assert error["payment_intent"]["status"] == "succeeded"
    made = await client.v1.payment_intents.create_async(intent_of())
    gone = await client.v1.payment_intents.cancel_async(made.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError, match="status of canceled"):
        await client.v1.payment_intents.confirm_async(made.id, {"payment_method": "pm_card_visa"})


async def test_refunds_never_exceed_the_charge(standin: StandIn, client: stripe.StripeClient) -> None:
    paid = await client.v1.payment_intents.create_async(
        intent_of(2599, confirm=True, payment_method="pm_card_visa")
    )
    part = await client.v1.refunds.create_async(
        {
            "payment_intent": paid.id,
            "amount": 2500,
            "reason": "requested_by_customer",
            "metadata": {"refund": "1"},
        }
    )
    assert (part.status, part.amount) == ("succeeded", 2500)
    with pytest.raises(stripe.InvalidRequestError, match=r"\(\$1\.00 usd\).*\(\$0\.99 usd\)") as raised:
        await client.v1.refunds.create_async({"payment_intent": paid.id, "amount": 100})
    assert (raised.value.param, raised.value.code) == ("amount", None)
    rest = await client.v1.refunds.create_async({"payment_intent": paid.id})
    assert rest.amount == 99
    with pytest.raises(stripe.InvalidRequestError) as again:
        await client.v1.refunds.create_async({"payment_intent": paid.id})
    assert again.value.code == "charge_already_refunded"
    listed = await client.v1.refunds.list_async({"payment_intent": paid.id})
    assert [each.id for each in listed.data] == [rest.id, part.id]
    charge = await client.v1.charges.retrieve_async(str(paid.latest_charge), {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (2599, True)
    assert charge.refunds is not None
    assert len(charge.refunds.data) == 2
    assert types_of(standin, paid.id)[3:] == ["refund.created", "charge.refunded"] * 2


@pytest.mark.parametrize(
    ("method", "first", "last", "events"),
    [
        ("pm_card_pendingRefund", "pending", "succeeded", ["refund.updated", "charge.refund.updated"]),
        (
            "pm_card_refundFail",
            "succeeded",
            "failed",
            ["refund.updated", "charge.refund.updated", "refund.failed"],
        ),
    ],
)
async def test_refunds_are_decided_later(
    standin: StandIn, client: stripe.StripeClient, method: str, first: str, last: str, events: list[str]
) -> None:
    paid = await client.v1.payment_intents.create_async(intent_of(confirm=True, payment_method=method))
    refund = await client.v1.refunds.create_async({"payment_intent": paid.id})
    assert refund.status == first
    standin.account.advance(61)
    assert (await client.v1.refunds.retrieve_async(refund.id)).status == last
    charge = await client.v1.charges.retrieve_async(str(paid.latest_charge))
    assert charge.amount_refunded == (0 if last == "failed" else 1999)
    assert types_of(standin, refund.id)[1:] == events


async def test_what_has_not_come_is_not_refunded_and_a_refund_fails_once(
    standin: StandIn, client: stripe.StripeClient, http: httpx.AsyncClient
) -> None:
    waits = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_usBankAccount_processing")
    )
    made = await client.v1.payment_intents.create_async(intent_of())
    for refund in (
        {"payment_intent": waits.id},
        {"charge": str(waits.latest_charge)},
        {"payment_intent": made.id},
        {},
    ):
        answer = await http.post("/v1/refunds", data=refund, auth=(KEY, ""))
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    paid = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_card_refundFail")
    )
    fails = await client.v1.refunds.create_async({"payment_intent": paid.id})
    await http.post("/_control/refunds/fail", json={"id": fails.id})
    standin.account.advance(61)
    charge = await client.v1.charges.retrieve_async(str(paid.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert types_of(standin, fails.id).count("refund.failed") == 1


async def test_a_deleted_customer_is_missed_in_a_parameter_only(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async({"name": "Ada"})
    renamed = await client.v1.customers.update_async(customer.id, {"name": "Ada L.", "metadata": {"a": "1"}})
    assert (renamed.name, renamed.metadata and renamed.metadata["a"]) == ("Ada L.", "1")
    await client.v1.customers.delete_async(customer.id)
    assert (await client.v1.customers.retrieve_async(customer.id)).to_dict() == {
        "id": customer.id,
        "object": "customer",
        "deleted": True,
    }
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await client.v1.payment_intents.create_async(intent_of(customer=customer.id))
    assert (raised.value.http_status, raised.value.code, raised.value.param) == (
        400,
        "resource_missing",
        "customer",
    )


async def test_lists_have_pages_and_filters(standin: StandIn, client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async({})
    made = [
        (await client.v1.payment_intents.create_async(intent_of(customer=customer.id))).id for _ in range(5)
    ]
    newest = made[::-1]
    page = await client.v1.payment_intents.list_async({"customer": customer.id, "limit": 2})
    assert ([each.id for each in page.data], page.has_more) == (newest[:2], True)
    assert [each.id async for each in page.auto_paging_iter()] == newest
    before = await client.v1.payment_intents.list_async(
        {"customer": customer.id, "limit": 2, "ending_before": newest[4]}
    )
    assert ([each.id for each in before.data], before.has_more) == (newest[2:4], True)
    standin.account.advance(100)
    late = await client.v1.payment_intents.create_async(intent_of(customer=customer.id))
    filtered = await client.v1.payment_intents.list_async(
        {"customer": customer.id, "created": {"gte": late.created}}
    )
    assert [each.id for each in filtered.data] == [late.id]
    events = await client.v1.events.list_async({"type": "payment_intent.*", "limit": 1})
    assert (events.data[0].type, events.data[0].data.object["id"]) == ("payment_intent.created", late.id)


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("amount=100", "parameter_missing", "currency"),
        ("amount=ten&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=1.5&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=&currency=usd", "parameter_invalid_empty", "amount"),
        ("amount=49&currency=usd", "amount_too_small", "amount"),
        ("amount=100000000&currency=usd", "amount_too_large", "amount"),
        ("amount=999999999999&currency=idr&payment_method=no", "resource_missing", "payment_method"),
        ("amount=101&currency=isk", "parameter_invalid_integer", "amount"),
        ("amount=5124&currency=kwd", "parameter_invalid_integer", "amount"),
        ("amount=100&currency=xyz", None, "currency"),
        ("amount=100&currency=usd&price=1", "parameter_unknown", "price"),
        ("amount=100&currency=usd&shipping[zip]=1", "parameter_unknown", "shipping[zip]"),
        ("amount=100&currency=usd&confirm=yes", None, "confirm"),
        ("amount=100&currency=usd&metadata=1", None, "metadata"),
        (f"amount=100&currency=usd&metadata[a]={'x' * 501}", None, "metadata[a]"),
        ("amount=100&currency=usd&customer=cus_no", "resource_missing", "customer"),
        ("amount=100&currency=usd&expand[]=nothing", None, "expand"),
    ],
)
async def test_wrong_parameters_are_refused(
    http: httpx.AsyncClient, form: str, code: str | None, param: str
) -> None:
    answer = await http.post(
        "/v1/payment_intents",
        content=form,
        auth=(KEY, ""),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error.get("code"), error["param"]) == (code, param)


async def test_keys_versions_paths_and_ids_are_checked(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/events")).status_code == 401
    live = {"Authorization": "Bearer sk_live_0123456789abcdef"}
    assert (await http.get("/v1/events", headers=live)).status_code == 401
    old = await http.get("/v1/events", auth=(KEY, ""), headers={"Stripe-Version": "latest"})
    assert old.json()["error"]["message"] == "Invalid Stripe API version: latest"
    path = await http.get("/v1/nothing", auth=(KEY, ""))
    assert (path.status_code, path.json()["error"]["message"][:45]) == (
        404,
        "Unrecognized request URL (GET: /v1/nothing). ",
    )
    missing = await http.get("/v1/payment_intents/pi_no", auth=(KEY, ""))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "resource_missing")


async def test_an_idempotency_key_repeats_answers_and_declines(client: stripe.StripeClient) -> None:
    options: stripe.RequestOptions = {"idempotency_key": "one"}
    first = await client.v1.payment_intents.create_async(intent_of(), options)
    again = await client.v1.payment_intents.create_async(intent_of(), options)
    assert (again.id, again.last_response.headers["idempotent-replayed"]) == (first.id, "true")  # type: ignore[union-attr]
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        await client.v1.payment_intents.create_async(intent_of(2000), options)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        await client.v1.customers.create_async({}, options)
    card = {"payment_method": "pm_card_chargeDeclined"}
    declines = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as raised:
            await client.v1.payment_intents.confirm_async(first.id, card, {"idempotency_key": "two"})  # type: ignore[arg-type]
        declines.append(error_of(raised.value)["charge"])
    assert declines[0] == declines[1]


async def test_an_idempotency_key_is_forgotten_after_a_day(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    options: stripe.RequestOptions = {"idempotency_key": "day"}
    first = await client.v1.payment_intents.create_async(intent_of(), options)
    standin.account.advance(86_401)
    assert (await client.v1.payment_intents.create_async(intent_of(), options)).id != first.id


async def test_a_refused_request_does_not_use_its_idempotency_key(client: stripe.StripeClient) -> None:
    options: stripe.RequestOptions = {"idempotency_key": "refused"}
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_intents.create_async(intent_of(1), options)
    assert (await client.v1.payment_intents.create_async(intent_of(), options)).amount == 1999


async def test_a_reserved_amount_is_captured_in_part(client: stripe.StripeClient) -> None:
    held = await client.v1.payment_intents.create_async(
        intent_of(1000, capture_method="manual", confirm=True, payment_method="pm_card_visa")
    )
    assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 1000, 0)
    taken = await client.v1.payment_intents.capture_async(held.id, {"amount_to_capture": 400})
    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 400)
