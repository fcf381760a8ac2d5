"""`/v1/products` and `/v1/prices`, as far as Checkout needs them."""

from standins.stripe.account import Account, Call, Json, Operation
from standins.stripe.errors import StripeError
from standins.stripe.forms import (
    LIST_FIELDS,
    Fields,
    array,
    boolean,
    currency_code,
    filled,
    integer,
    metadata,
    one_of,
    record,
    string,
)
from standins.stripe.lists import equals, list_objects


def create_product(account: Account, call: Call) -> Json:
    """A new product."""
    product = add_product(account, call.params)
    account.emit("product.created", product)
    return product


def add_product(account: Account, params: Json) -> Json:
    """A product, which Checkout makes without an event."""
    return account.add(
        "product",
        "prod",
        {
            "active": params.get("active", True),
            "default_price": None,
            "description": params.get("description"),
            "images": params.get("images", []),
            "marketing_features": [],
            "metadata": params.get("metadata", {}),
            "name": params["name"],
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "unit_label": None,
            "updated": int(account.now),
            "url": None,
        },
    )


def create_price(account: Account, call: Call) -> Json:
    """A new price."""
    price = add_price(account, call.params, param="")
    account.emit("price.created", price)
    return price


def add_price(account: Account, params: Json, *, param: str) -> Json:
    """A price of a product that exists, or of a new one from `product_data`. `param`: where it stands."""
    if ("product" in params) == ("product_data" in params):
        raise StripeError(
            "You must specify either `product` or `product_data` when creating a price.", param=param or None
        )
    if "unit_amount" not in params:
        name = f"{param}[unit_amount]" if param else "unit_amount"
        raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    product = account.refer("product", params) or add_product(account, params["product_data"])["id"]
    return account.add(
        "price",
        "price",
        {
            "active": params.get("active", True),
            "billing_scheme": "per_unit",
            "currency": params["currency"],
            "custom_unit_amount": None,
            "lookup_key": params.get("lookup_key"),
            "metadata": params.get("metadata", {}),
            "nickname": params.get("nickname"),
            "product": product,
            "recurring": None,
            "tax_behavior": params.get("tax_behavior", "unspecified"),
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": params["unit_amount"],
            "unit_amount_decimal": str(params["unit_amount"]),
        },
    )


def retrieve_product(account: Account, call: Call) -> Json:
    """A product."""
    return account.find("product", call.id, param="id")


def retrieve_price(account: Account, call: Call) -> Json:
    """A price."""
    return account.find("price", call.id, param="price")


def list_products(account: Account, call: Call) -> Json:
    """The products."""
    return list_objects(
        account, "product", call.params, url="/v1/products", is_in=equals(call.params, "active")
    )


def list_prices(account: Account, call: Call) -> Json:
    """The prices, all or of a product."""
    is_in = equals(call.params, "active", "product")
    return list_objects(account, "price", call.params, url="/v1/prices", is_in=is_in)


PRODUCT_FIELDS: Fields = {
    "active": boolean,
    "description": string(),
    "images": array(filled),
    "metadata": metadata,
    "name": filled,
}

PRICE_DATA_FIELDS: Fields = {
    "currency": currency_code,
    "product": filled,
    "product_data": record(PRODUCT_FIELDS, required=("name",)),
    "tax_behavior": one_of("exclusive", "inclusive", "unspecified"),
    "unit_amount": integer(0),
}

OPERATIONS = (
    Operation(
        method="POST", path="/v1/products", run=create_product, fields=PRODUCT_FIELDS, required=("name",)
    ),
    Operation(method="GET", path="/v1/products", run=list_products, fields=LIST_FIELDS | {"active": boolean}),
    Operation(method="GET", path="/v1/products/{id}", run=retrieve_product),
    Operation(
        method="POST",
        path="/v1/prices",
        run=create_price,
        fields=PRICE_DATA_FIELDS
        | {"active": boolean, "lookup_key": filled, "metadata": metadata, "nickname": string()},
        required=("currency",),
    ),
    Operation(
        method="GET",
        path="/v1/prices",
        run=list_prices,
        fields=LIST_FIELDS | {"active": boolean, "product": filled},
    ),
    Operation(method="GET", path="/v1/prices/{id}", run=retrieve_price),
)
