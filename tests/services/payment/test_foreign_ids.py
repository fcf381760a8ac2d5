"""Whatever a customer asks of somebody else's order or payment: there is no such thing."""

import re
from typing import Any
from uuid import uuid4

from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import problem

BODIES: dict[str, Any] = {
    "start_checkout": {"success_url": "http://localhost:8000/", "cancel_url": "http://localhost:8000/"},
}
"""A valid body of each operation that takes one."""

PUBLIC = {"product"}
"""Parameters of paths that name what everybody may see."""


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """GET and POST with the id of something in the path, that customers may call."""
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post")
        and set(re.findall(r"{(\w+)}", path)) - PUBLIC
        and "403" not in operation["responses"]
    ]


async def test_every_foreign_id_is_answered_404(purchases: Purchases) -> None:
    owner, stranger = purchases.buyer(), purchases.buyer()
    order = await purchases.paid(buyer=owner)
    (payment,) = (await purchases.client.get("/v1/payments", headers=owner)).json()["items"]
    known = {"order_id": order["id"], "payment_id": payment["id"]}
    found = operations((await purchases.client.get("/openapi.json")).json())
    assert {"read_order", "start_payment", "read_payment", "list_order_events"} <= {
        operation["operationId"] for _, _, operation in found
    }
    for method, path, operation in found:
        body = {"json": BODIES[operation["operationId"]]} if "requestBody" in operation else {}
        for ids, headers in ((known, stranger), (dict.fromkeys(known, str(uuid4())), owner)):
            answer = await purchases.client.request(
                method, path.format(**ids), headers=headers | {"Idempotency-Key": str(uuid4())}, **body
            )
            assert problem(answer)[0] == 404, f"{method} {path}"
        # It is there, whatever may be done with it now.
        answer = await purchases.client.request(method, path.format(**known), headers=owner, **body)
        assert answer.status_code != 404, f"{method} {path}"
