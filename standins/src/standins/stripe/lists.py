"""Lists with their filters and pages (API reference, "Pagination"), and expanded fields."""

import copy
from collections.abc import Callable, Iterable
from operator import ge, gt, le, lt
from typing import Any

from standins.stripe.account import Account, Json
from standins.stripe.errors import StripeError, resource_missing

DEFAULT_LIMIT = 10

EXPANDABLE = {
    "balance_transaction": "balance_transaction",
    "charge": "charge",
    "customer": "customer",
    "failure_balance_transaction": "balance_transaction",
    "latest_charge": "charge",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "product": "product",
}
"""Fields that hold an id, and the kind of their object."""

Filter = Callable[[Json], bool]


def list_objects(
    account: Account, kind: str, params: Json, *, url: str, is_in: Filter = lambda _: True
) -> Json:
    """A page, newest first."""
    rows = [
        row
        for row in reversed(account.objects.get(kind, {}).values())
        if not row.get("deleted") and is_in(row) and _is_within(row["created"], params.get("created") or {})
    ]
    limit = params.get("limit", DEFAULT_LIMIT)
    if "ending_before" in params:
        before = rows[: _position(kind, rows, params, "ending_before")]
        page, has_more = before[-limit:], len(before) > limit
    else:
        start = _position(kind, rows, params, "starting_after") + 1 if "starting_after" in params else 0
        page, has_more = rows[start : start + limit], len(rows) > start + limit
    return {"object": "list", "data": page, "has_more": has_more, "url": url}


def equals(params: Json, *names: str) -> Filter:
    """Whether an object has the values of these parameters."""
    return lambda row: all(row.get(name) == params[name] for name in names if name in params)


_BOUNDS: dict[str, Callable[[int, int], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


def _is_within(created: int, bounds: dict[str, int]) -> bool:
    return all(_BOUNDS[name](created, bound) for name, bound in bounds.items())


def _position(kind: str, rows: list[Json], params: Json, name: str) -> int:
    for index, row in enumerate(rows):
        if row["id"] == params[name]:
            return index
    raise resource_missing(kind, params[name], param=name)


def list_belonging(account: Account, kind: str, params: Json, *, url: str, owners: Iterable[str]) -> Json:
    """A page of the objects of the owners whose ids the parameters give; of all where they give none. Raises `StripeError`."""
    for owner in owners:
        account.refer(owner, params)
    return list_objects(account, kind, params, url=url, is_in=equals(params, *owners))


def expand(account: Account, answer: Json, paths: Iterable[str]) -> Json:
    """The answer with objects in place of the ids that `paths` name. Raises `StripeError`."""
    result = copy.deepcopy(answer)
    for path in paths:
        _expand(account, result, path.split("."), path)
    return result


def _expand(account: Account, thing: Json, parts: list[str], path: str) -> None:
    name, *rest = parts
    if thing["object"] == "list" and name == "data" and rest:
        for each in thing["data"]:
            _expand(account, each, rest, path)
        return
    value: Any
    if thing["object"] == "charge" and name == "refunds":
        value = thing["refunds"] = list_refunds(account, thing["id"])
    elif thing["object"] == "checkout.session" and name == "line_items":
        value = thing["line_items"] = {
            "object": "list",
            "data": copy.deepcopy(account.checkouts[thing["id"]]["lines"]),
            "has_more": False,
            "url": f"/v1/checkout/sessions/{thing['id']}/line_items",
        }
    elif name in EXPANDABLE and name in thing:
        value = thing[name]
        if isinstance(value, str):
            value = thing[name] = copy.deepcopy(account.find(EXPANDABLE[name], value, param="expand"))
    else:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    if rest and value is not None:
        _expand(account, value, rest, path)


def list_refunds(account: Account, charge_id: str) -> Json:
    """The newest refunds of a charge."""
    url = f"/v1/charges/{charge_id}/refunds"
    page = list_objects(account, "refund", {}, url=url, is_in=lambda row: row["charge"] == charge_id)
    return copy.deepcopy(page)
