"""Why a call on the catalogue is refused."""

from webcommon.api.problems import Conflict, NotFound


class SkuTaken(Conflict):
    """409: another product has this SKU."""

    title = "The SKU is taken"
    slug = "sku-taken"

    def __init__(self) -> None:
        super().__init__("Another product has this SKU; choose another one, or change that product.")


class StockReserved(Conflict):
    """409: the new stock is below what unpaid orders hold."""

    title = "The stock is below what is reserved"
    slug = "stock-reserved"

    def __init__(self) -> None:
        super().__init__(
            "Unpaid orders hold more pieces than the new stock; wait until they are paid or expire."
        )


class ProductNotFound(NotFound):
    """404: no product has this id or SKU, or it is not for sale."""

    title = "There is no such product"
    slug = "product-not-found"
