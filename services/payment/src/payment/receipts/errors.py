"""Why there is no receipt."""

from webcommon.api.problems import Conflict, ServiceUnavailable


class NoReceiptYet(Conflict):
    """409: no money came for the order."""

    title = "There is no receipt yet"
    slug = "no-receipt-yet"

    def __init__(self) -> None:
        super().__init__("An order has a receipt from its payment on.")


class PdfUnavailable(ServiceUnavailable):
    """503: the PDF could not be made in time; others are being made, or the program that makes them ended."""

    title = "The PDF cannot be made now"
    slug = "pdf-unavailable"
