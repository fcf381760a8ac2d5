"""What can happen to a payment at Stripe, as steps, and how its order ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Headers
from tests.services.payment.stripe_account import Json

Ending = tuple[str, str, str, str, str]
Step = Callable[["Telling"], Awaitable[None]]


@dataclass(kw_only=True)
class Telling:
    """One telling of a story, about an order of its own."""

    purchases: Purchases
    order: Json
    buyer: Headers

    @property
    def intent(self) -> Json:
        """The order's PaymentIntent."""
        return self.purchases.intents_of(self.order)[-1]

    @property
    def charge(self) -> str:
        """The id of its charge."""
        charge: str = self.intent["latest_charge"]
        return charge

    @property
    def refunds(self) -> list[Json]:
        """Its refunds at Stripe."""
        return [each for each in self.purchases.account.all("refund") if each["charge"] == self.charge]

    @property
    def dispute(self) -> str:
        """The id of its dispute."""
        (dispute,) = (each for each in self.purchases.account.all("dispute") if each["charge"] == self.charge)
        found: str = dispute["id"]
        return found


@dataclass(frozen=True, kw_only=True)
class Story:
    """Steps, and the order's status and figures in the end: paid, refunded, refundable, disputed."""

    name: str
    steps: tuple[Step, ...]
    ending: Ending
    currency: str = "usd"


def confirming(method: str, status: int = 200) -> Step:
    """The buyer confirms with a payment method."""

    async def step(telling: Telling) -> None:
        secret = await telling.purchases.secret(telling.order, buyer=telling.buyer)
        answer = await telling.purchases.account.confirm(secret, method)
        assert answer.status_code == status, answer.text

    return step


async def confirm_debit(telling: Telling) -> None:
    """The buyer confirms a bank debit."""
    await telling.purchases.secret(telling.order, buyer=telling.buyer)
    params: Any = {
        "payment_method": "pm_usBankAccount_processing",
        "mandate_data": {"customer_acceptance": {"type": "offline", "offline": {}}},
    }
    await telling.purchases.account.client.v1.payment_intents.confirm_async(telling.intent["id"], params)


def controlling(act: str, **body: object) -> Step:
    """A bank or a buyer acts on the intent."""

    async def step(telling: Telling) -> None:
        await telling.purchases.account.control(act, id=telling.intent["id"], **body)

    return step


async def settle(telling: Telling) -> None:
    """The fee becomes known."""
    telling.purchases.account.advance(2)


def refunding(amount: int) -> Step:
    """A refund in Stripe's dashboard."""

    async def step(telling: Telling) -> None:
        refunds = telling.purchases.account.client.v1.refunds
        await refunds.create_async({"payment_intent": telling.intent["id"], "amount": amount})

    return step


def refunding_here(amount: str) -> Step:
    """A refund by an admin of the shop."""

    async def step(telling: Telling) -> None:
        answer = await telling.purchases.refund(telling.order, amount=amount)
        assert answer.status_code == 201, answer.text

    return step


async def fail_refund(telling: Telling) -> None:
    """The last refund does not reach the buyer."""
    await telling.purchases.account.control("refunds/fail", id=telling.refunds[-1]["id"])


async def cancel_refund(telling: Telling) -> None:
    """The last refund, which is pending, is taken back."""
    await telling.purchases.account.client.v1.refunds.cancel_async(telling.refunds[-1]["id"])


def disputing(*, is_inquiry: bool = False, amount: int | None = None) -> Step:
    """The buyer's bank disputes the charge, or asks."""

    async def step(telling: Telling) -> None:
        await telling.purchases.account.control(
            "disputes/open", charge=telling.charge, is_inquiry=is_inquiry, amount=amount
        )

    return step


def deciding(outcome: str) -> Step:
    """The dispute is decided."""

    async def step(telling: Telling) -> None:
        await telling.purchases.account.control("disputes/decide", id=telling.dispute, outcome=outcome)

    return step


async def cancel_order(telling: Telling) -> None:
    """The buyer cancels the order, too late."""
    answer = await telling.purchases.cancel(telling.order, buyer=telling.buyer)
    assert answer.status_code == 409, answer.text


def checking_out(method: str) -> Step:
    """The buyer pays on Stripe's page."""

    async def step(telling: Telling) -> None:
        answer = await telling.purchases.checkout(telling.order, buyer=telling.buyer)
        assert answer.status_code == 200, answer.text
        session = answer.json()["url"].rsplit("/", 1)[1]
        paid: httpx.Response = await telling.purchases.account.http.post(
            f"/v1/payment_pages/{session}/confirm",
            data={"payment_method": method, "key": "pk_test_quartet_standin"},
        )
        assert paid.status_code in (200, 402), paid.text

    return step


CARD = confirming("pm_card_visa")
DEBIT_FAILS = controlling("payment_intents/finish_debit", succeeds=False)
DEBIT_SUCCEEDS = controlling("payment_intents/finish_debit", succeeds=True)
THREE_D_SECURE = confirming("pm_card_threeDSecure2Required")
AUTHENTICATED = controlling("payment_intents/authenticate", succeeds=True)
NOT_AUTHENTICATED = controlling("payment_intents/authenticate", succeeds=False)
DECLINED = confirming("pm_card_chargeDeclined", 402)
PENDING_REFUND = confirming("pm_card_pendingRefund")

PAID: Ending = ("paid", "100.00", "0.00", "100.00", "0.00")
UNPAID: Ending = ("pending", "0.00", "0.00", "0.00", "0.00")
REFUNDED: Ending = ("refunded", "100.00", "100.00", "0.00", "0.00")
IN_PART: Ending = ("partially_refunded", "100.00", "30.00", "70.00", "0.00")
DISPUTED: Ending = ("disputed", "100.00", "0.00", "0.00", "100.00")

STORIES = (
    Story(name="paid", steps=(CARD, settle), ending=PAID),
    Story(name="declined", steps=(DECLINED,), ending=UNPAID),
    Story(name="declined then paid", steps=(DECLINED, CARD, settle), ending=PAID),
    Story(name="3-D Secure", steps=(THREE_D_SECURE, AUTHENTICATED, settle), ending=PAID),
    Story(
        name="3-D Secure failed, then paid",
        steps=(THREE_D_SECURE, NOT_AUTHENTICATED, CARD, settle),
        ending=PAID,
    ),
    Story(name="debit on its way", steps=(confirm_debit,), ending=UNPAID),
    Story(name="debit", steps=(confirm_debit, DEBIT_SUCCEEDS, settle), ending=PAID),
    Story(name="debit failed, then card", steps=(confirm_debit, DEBIT_FAILS, CARD, settle), ending=PAID),
    Story(name="Checkout", steps=(checking_out("pm_card_visa"), settle), ending=PAID),
    Story(
        name="Checkout, declined first",
        steps=(checking_out("pm_card_chargeDeclined"), checking_out("pm_card_visa"), settle),
        ending=PAID,
    ),
    Story(name="cancel against success", steps=(CARD, cancel_order, settle), ending=PAID),
    Story(name="refunded in part", steps=(CARD, settle, refunding(3000)), ending=IN_PART),
    Story(name="refunded twice", steps=(CARD, settle, refunding(3000), refunding(7000)), ending=REFUNDED),
    Story(
        name="failed refund",
        steps=(CARD, settle, refunding(3000), fail_refund, refunding(3000)),
        ending=IN_PART,
    ),
    Story(
        name="cancelled refund",
        steps=(PENDING_REFUND, refunding(3000), cancel_refund, settle),
        ending=PAID,
    ),
    Story(name="dispute", steps=(CARD, settle, disputing()), ending=DISPUTED),
    Story(name="dispute won", steps=(CARD, settle, disputing(), deciding("won")), ending=PAID),
    Story(name="dispute prevented", steps=(CARD, settle, disputing(), deciding("prevented")), ending=PAID),
    Story(name="dispute lost", steps=(CARD, settle, disputing(), deciding("lost")), ending=REFUNDED),
    Story(
        name="lost for more than was paid",
        steps=(CARD, settle, disputing(amount=11_000), deciding("lost")),
        ending=("refunded", "100.00", "110.00", "0.00", "0.00"),
    ),
    Story(
        name="refunded in part, the rest disputed and lost",
        steps=(CARD, settle, refunding(3000), disputing(amount=7000), deciding("lost")),
        ending=REFUNDED,
    ),
    Story(
        name="inquiry",
        steps=(CARD, settle, disputing(is_inquiry=True), deciding("warning_closed")),
        ending=PAID,
    ),
    Story(
        name="inquiry, refunded",
        steps=(CARD, settle, disputing(is_inquiry=True), refunding(10_000)),
        ending=REFUNDED,
    ),
)
