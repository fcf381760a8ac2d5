"""The timeline of an order: complete, in order, and nothing in it that its reader may not know."""

from typing import Any

from payment.timeline.schemas import TimelineEvent
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Headers, problem
from webcommon.api.paging import Page


async def read_timeline(purchases: Purchases, order_id: str, headers: Headers) -> list[dict[str, Any]]:
    """All pages, of two events each."""
    events: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await purchases.client.get(
            f"/v1/orders/{order_id}/timeline", params={"limit": 2, **cursor}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        page = Page[TimelineEvent].model_validate_json(answer.content)
        assert page.model_dump(mode="json") == answer.json()
        events += answer.json()["items"]
        if page.next_cursor is None:
            return events
        cursor = {"cursor": page.next_cursor}


def last_statuses(events: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """The last status of each subject; each event goes on from the one before."""
    statuses: dict[tuple[str, str], str] = {}
    for event in events:
        subject = (event["subject"], event["subject_id"])
        if subject[0] != "payment":
            # A payment begins with its first reading.
            assert event["from_status"] == statuses.get(subject)
        statuses[subject] = event["to_status"]
    return statuses


async def test_the_state_can_be_rebuilt_from_the_timeline(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered("20.00", buyer=buyer)
    secret = await purchases.secret(order, buyer=buyer)
    await purchases.account.confirm(secret, "pm_card_chargeDeclinedInsufficientFunds")
    await purchases.catch_up()
    await purchases.account.confirm(secret)
    await purchases.catch_up()
    refund = (await purchases.refund(order, amount="5.00", note="dented")).json()
    await purchases.catch_up()
    admin = purchases.shop.admin
    events = await read_timeline(purchases, order["id"], admin)
    (intent,) = purchases.intents_of(order)
    payment = (await purchases.progress(order, buyer=buyer))["id"]
    statuses = last_statuses(events)
    (attempt,) = [subject for subject in statuses if subject[0] == "attempt"]
    assert statuses == {
        ("order", order["id"]): "partially_refunded",
        attempt: "succeeded",
        ("payment", payment): "succeeded",
        ("refund", refund["id"]): "succeeded",
    }
    of_order = [event for event in events if event["subject"] == "order"]
    assert [(each["to_status"], each["cause"], each["amount"]) for each in of_order] == [
        ("pending", "buyer", None),
        ("paid", "stripe", "20.00"),
        ("partially_refunded", "admin", None),
    ]
    assert {each["stripe_id"] for each in events if each["subject"] == "payment"} == {intent["id"]}
    assert [each["amount"] for each in events if each["subject"] == "refund"][-1] == "5.00"


async def test_a_customer_sees_neither_other_people_nor_what_is_noted_for_admins(
    purchases: Purchases,
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    secret = await purchases.secret(order, buyer=buyer)
    for card in ("pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedStolenCard"):
        await purchases.account.confirm(secret, card)
        await purchases.catch_up()
    await purchases.account.confirm(secret)
    await purchases.catch_up()
    await purchases.refund(order, amount="5.00", note="dented")
    admin = purchases.shop.admin
    complete = await read_timeline(purchases, order["id"], admin)
    shown = await read_timeline(purchases, order["id"], buyer)
    assert [each["at"] for each in shown] == [each["at"] for each in complete]
    assert {each["actor_id"] for each in shown} == {order["user_id"], None}
    assert len({each["actor_id"] for each in complete}) == 3
    assert {each["note"] for each in shown if each["subject"] not in ("payment", "attempt")} == {None}
    assert "stolen" not in str(complete)
    assert problem(
        await purchases.client.get(f"/v1/orders/{order['id']}/timeline", headers=purchases.buyer())
    ) == (404, "order-not-found")
