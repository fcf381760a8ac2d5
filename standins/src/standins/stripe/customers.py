"""`/v1/customers`."""

from standins.stripe.account import Account, Call, Json, Operation
from standins.stripe.errors import resource_missing
from standins.stripe.forms import (
    ADDRESS,
    LIST_FIELDS,
    SHIPPING,
    array,
    email,
    filled,
    merge_metadata,
    metadata,
    record,
    string,
)
from standins.stripe.lists import equals, list_objects

FIELDS = {
    "address": ADDRESS,
    "description": string(),
    "email": email,
    "invoice_settings": record({"default_payment_method": string()}),
    "metadata": metadata,
    "name": string(256),
    "payment_method": filled,
    "phone": string(20),
    "preferred_locales": array(string()),
    "shipping": SHIPPING,
    "source": filled,
}


def create(account: Account, call: Call) -> Json:
    """A new customer."""
    fields: Json = {
        "address": None,
        "balance": 0,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": "STANDIN",
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer = account.add("customer", "cus", fields)
    _write(customer, call.params)
    account.emit("customer.created", customer)
    return customer


def _write(customer: Json, params: Json) -> None:
    for name, value in params.items():
        if name == "metadata":
            customer[name] = merge_metadata(customer[name], value)
        elif name == "invoice_settings":
            customer[name] = customer[name] | (value or {})
        elif name not in ("payment_method", "source"):
            customer[name] = value


def update(account: Account, call: Call) -> Json:
    """Change some of its fields."""
    customer = find_live(account, call.id)
    before = dict(customer)
    _write(customer, call.params)
    changed = {name: before[name] for name in before if customer[name] != before[name]}
    if changed:
        account.emit("customer.updated", customer, changed)
    return customer


def find_live(account: Account, id: str) -> Json:
    """A customer in a path, not deleted. Raises `StripeError`."""
    customer = account.find("customer", id, param="id")
    if customer.get("deleted"):
        raise resource_missing("customer", id, param="id", status=404)
    return customer


def retrieve(account: Account, call: Call) -> Json:
    """A customer; of a deleted one only that it is."""
    customer = account.find("customer", call.id, param="id")
    return _gone(call.id) if customer.get("deleted") else customer


def _gone(id: str) -> Json:
    return {"id": id, "object": "customer", "deleted": True}


def delete(account: Account, call: Call) -> Json:
    """Delete it for good."""
    customer = find_live(account, call.id)
    account.emit("customer.deleted", customer)
    account.objects["customer"][call.id] = _gone(call.id)
    return _gone(call.id)


def list_customers(account: Account, call: Call) -> Json:
    """The customers, all or of an e-mail address."""
    return list_objects(
        account, "customer", call.params, url="/v1/customers", is_in=equals(call.params, "email")
    )


OPERATIONS = (
    Operation(method="POST", path="/v1/customers", run=create, fields=FIELDS),
    Operation(method="GET", path="/v1/customers", run=list_customers, fields=LIST_FIELDS | {"email": filled}),
    Operation(method="GET", path="/v1/customers/{id}", run=retrieve),
    Operation(method="POST", path="/v1/customers/{id}", run=update, fields=FIELDS),
    Operation(method="DELETE", path="/v1/customers/{id}", run=delete),
)
