"""Calls of Stripe, over real sockets: what is sent again, what is refused, and what remains unknown."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused, StripeUnavailable
from standins.openid_provider.server import listen
from standins.stripe.faults import Fault
from standins.stripe.standin import StandIn
from tests.services.payment.stripe_api.conftest import MakeApi
from tests.standins.stripe_clients import intent_of

CREATE = "/v1/payment_intents"


def count(standin: StandIn) -> int:
    """How many PaymentIntents there are."""
    return len(standin.account.objects.get("payment_intent", {}))


def break_next(standin: StandIn, kind: Any, **more: Any) -> None:
    """The next calls that make a PaymentIntent have a fault."""
    standin.faults.waiting.append(Fault(kind=kind, **{"path": CREATE} | more))


def calls(registry: CollectorRegistry, outcome: str, operation: str = "payment_intents.create") -> float:
    """How many calls ended so."""
    labels = {"operation": operation, "outcome": outcome}
    return registry.get_sample_value("payment_stripe_calls_total", labels) or 0


async def test_a_call_answers_with_plain_dictionaries(
    standin: StandIn, api: StripeApi, registry: CollectorRegistry
) -> None:
    made = await api.create_payment_intent(intent_of(metadata={"order": "1"}), key="plain")
    assert (made["status"], made["metadata"], made["latest_charge"]) == (
        "requires_payment_method",
        {"order": "1"},
        None,
    )
    assert {type(each) for each in (made, made["metadata"], made["automatic_payment_methods"])} == {dict}
    *_, event = standin.account.objects["event"].values()
    assert event["request"]["idempotency_key"] == "plain"
    assert calls(registry, "done") == 1


async def test_the_same_key_makes_one_object(standin: StandIn, api: StripeApi) -> None:
    before = count(standin)
    made = [await api.create_payment_intent(intent_of(), key="same") for _ in range(2)]
    assert made[0]["id"] == made[1]["id"]
    assert count(standin) == before + 1


async def test_a_decline_is_a_refusal_with_its_reason(api: StripeApi, registry: CollectorRegistry) -> None:
    declined = intent_of(confirm=True, payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")
    with pytest.raises(StripeRefused) as raised:
        await api.create_payment_intent(declined, key="declined")
    refusal = raised.value
    assert (refusal.http_status, refusal.type, refusal.code, refusal.decline_code) == (
        402,
        "card_error",
        "card_declined",
        "insufficient_funds",
    )
    assert refusal.payment_intent is not None
    assert refusal.payment_intent["status"] == "requires_payment_method"
    assert calls(registry, "refused") == 1


async def test_a_refusal_names_its_parameter_or_brings_the_intent(api: StripeApi) -> None:
    with pytest.raises(StripeRefused) as raised:
        await api.create_payment_intent(intent_of(amount=1), key="small")
    assert (raised.value.http_status, raised.value.code, raised.value.param) == (
        400,
        "amount_too_small",
        "amount",
    )
    assert "50" in raised.value.message
    paid = await api.create_payment_intent(intent_of(confirm=True, payment_method="pm_card_visa"), key="paid")
    with pytest.raises(StripeRefused) as raised:
        await api.cancel_payment_intent(paid["id"], {}, key="late")
    assert raised.value.code == "payment_intent_unexpected_state"
    assert raised.value.payment_intent is not None
    assert (raised.value.payment_intent["id"], raised.value.payment_intent["status"]) == (
        paid["id"],
        "succeeded",
    )


async def test_an_unknown_id_is_a_refusal(api: StripeApi) -> None:
    for read in (api.retrieve_payment_intent, api.retrieve_refund, api.retrieve_checkout_session):
        with pytest.raises(StripeRefused) as raised:
            await read("nothing")
        assert (raised.value.http_status, raised.value.code) == (404, "resource_missing")


@pytest.mark.parametrize("kind", ["lock_timeout", "idempotency_key_in_use", "rate_limit", "drop_connection"])
async def test_what_passes_is_sent_again_with_its_key(
    standin: StandIn, api: StripeApi, registry: CollectorRegistry, kind: str
) -> None:
    before = count(standin)
    break_next(standin, kind, times=2)
    made = await api.create_payment_intent(intent_of(), key=f"passes {kind}")
    assert made["status"] == "requires_payment_method"
    assert count(standin) == before + 1
    assert (calls(registry, "done"), calls(registry, "unavailable")) == (1, 0)


async def test_an_answer_that_was_lost_is_read_again_by_its_key(standin: StandIn, api: StripeApi) -> None:
    before = count(standin)
    break_next(standin, "drop_connection", when="after")
    made = await api.create_payment_intent(intent_of(), key="lost")
    assert count(standin) == before + 1
    assert made["id"] in standin.account.objects["payment_intent"]


@pytest.mark.parametrize(("kind", "status"), [("lock_timeout", 429), ("idempotency_key_in_use", 409)])
async def test_what_does_not_pass_is_unavailable(
    standin: StandIn, api: StripeApi, registry: CollectorRegistry, kind: str, status: int
) -> None:
    break_next(standin, kind, times=4)
    with pytest.raises(StripeUnavailable) as raised:
        await api.create_payment_intent(intent_of(), key=f"stays {kind}")
    assert (raised.value.http_status, raised.value.is_stored) == (status, False)
    assert (raised.value.status, raised.value.slug, raised.value.headers["Retry-After"]) == (
        503,
        "stripe-unavailable",
        "5",
    )
    assert standin.faults.waiting == []
    assert calls(registry, "unavailable") == 1


async def test_an_error_that_stripe_stores_is_told_from_others(standin: StandIn, api: StripeApi) -> None:
    before = count(standin)
    break_next(standin, "api_error", when="after")
    with pytest.raises(StripeUnavailable) as raised:
        await api.create_payment_intent(intent_of(), key="stored")
    assert (raised.value.http_status, raised.value.is_stored) == (500, True)
    assert count(standin) == before + 1


async def test_a_read_is_sent_again_after_an_error(standin: StandIn, api: StripeApi) -> None:
    made = await api.create_payment_intent(intent_of(), key="read again")
    break_next(standin, "api_error", method="GET", path=f"{CREATE}/*", times=3)
    assert (await api.retrieve_payment_intent(made["id"]))["id"] == made["id"]


async def test_a_refusal_after_a_lost_answer_does_not_say_that_nothing_happened(
    standin: StandIn, api: StripeApi
) -> None:
    break_next(standin, "drop_connection")
    break_next(standin, "amount_too_small")
    with pytest.raises(StripeUnavailable) as raised:
        await api.create_payment_intent(intent_of(), key="unsure")
    assert (raised.value.http_status, raised.value.is_stored) == (400, False)


async def test_a_stored_decline_after_a_lost_answer_is_a_refusal(standin: StandIn, api: StripeApi) -> None:
    break_next(standin, "drop_connection", when="after")
    declined = intent_of(confirm=True, payment_method="pm_card_chargeDeclined")
    with pytest.raises(StripeRefused) as raised:
        await api.create_payment_intent(declined, key="lost decline")
    assert raised.value.code == "card_declined"


@pytest.mark.parametrize(("kind", "seconds"), [("delay", 60), ("drip", 0.05)])
async def test_slow_and_dripping_answers_end_at_the_bound(
    standin: StandIn, make_api: MakeApi, kind: str, seconds: float
) -> None:
    # A drop of 1,500 bytes each 50 ms would last for more than a minute, and no pause between two is long.
    api = make_api(standin.account.base_url, seconds=0.5)
    break_next(standin, kind, seconds=seconds, times=9)
    with pytest.raises(StripeUnavailable) as raised:
        await api.create_payment_intent(intent_of(), key=f"slow {kind}")
    assert raised.value.http_status in (None, 409)
    standin.faults.waiting.clear()
    standin.account.advance(60)


async def test_all_calls_of_a_block_share_one_bound(standin: StandIn, make_api: MakeApi) -> None:
    api = make_api(standin.account.base_url, seconds=0.5)
    with api.one_bound():
        await api.list_refunds({})
        break_next(standin, "drip", method="GET", path="/v1/refunds", seconds=0.05, times=9)
        with pytest.raises(StripeUnavailable):
            await api.list_refunds({})
        standin.faults.waiting.clear()
        # Nothing of the bound is left, although Stripe would answer now.
        with pytest.raises(StripeUnavailable):
            await api.list_refunds({})
    assert (await api.list_refunds({}))["data"] == []


async def test_nobody_who_listens_is_unavailable(make_api: MakeApi) -> None:
    listener = listen()
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(StripeUnavailable) as raised:
        await make_api(f"http://127.0.0.1:{port}").list_refunds({})
    assert raised.value.http_status is None


async def test_a_key_that_stripe_does_not_take_refuses_no_call(
    standin: StandIn, make_api: MakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    api = make_api(standin.account.base_url, key="sk_test_none")
    with pytest.raises(StripeUnavailable) as raised:
        await api.create_payment_intent(intent_of(), key="of an account that has another key")
    assert raised.value.http_status == 401
    assert "Stripe refuses payment_intents.create to STRIPE_SECRET_KEY" in caplog.text
