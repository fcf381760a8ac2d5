"""Why an order is refused."""

from collections.abc import Mapping

from webcommon.api.problems import Conflict, NotFound, Problem


class OrderNotFound(NotFound):
    """404: no order has this id, or it belongs to another customer."""

    title = "There is no such order"
    slug = "order-not-found"


class OutOfStock(Conflict):
    """409: fewer pieces are available than ordered. `errors` points at the lines."""

    title = "There is not enough in stock"
    slug = "out-of-stock"

    def __init__(self, lines: Mapping[int, int]) -> None:
        errors = [
            {"pointer": f"#/items/{index}/quantity", "detail": f"{available} can be ordered now"}
            for index, available in lines.items()
        ]
        super().__init__("Order fewer pieces, or come back later; see errors.", errors=errors)


class RequestRefused(Problem):
    """422: the fields are well-formed, but cannot be accepted; `errors` points at them."""

    status = 422

    def __init__(self, errors: Mapping[str, str]) -> None:
        """`errors` has a sentence for each pointer."""
        listed = [{"pointer": pointer, "detail": detail} for pointer, detail in errors.items()]
        super().__init__("One or more fields were refused; see errors.", errors=listed)


class DuplicateSku(RequestRefused):
    """422: two lines of one order name the same SKU."""

    title = "A SKU is in the order twice"
    slug = "duplicate-sku"


class ProductNotForSale(RequestRefused):
    """422: no product on sale has this SKU."""

    title = "A product is not for sale"
    slug = "product-not-for-sale"


class MixedCurrencies(RequestRefused):
    """422: one order, one currency."""

    title = "An order has one currency"
    slug = "mixed-currencies"


class AmountTooSmall(RequestRefused):
    """422: the total is below the minimum charge."""

    title = "The total is too small to be charged"
    slug = "amount-too-small"


class AmountTooLarge(RequestRefused):
    """422: the total is above the maximum charge."""

    title = "The total is too large to be charged"
    slug = "amount-too-large"
