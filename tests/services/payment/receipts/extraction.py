"""Receipts for tests, and the text of a PDF, by another library than the one that made it."""

import io
from collections.abc import Iterable

import pypdf

from payment.receipts.content import Line, Receipt


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def receipt_of(names: Iterable[str] = ("Earl Grey",), *, number: str = "2026-000041") -> Receipt:
    """A receipt with a line for each of these names."""
    return Receipt(
        number=number,
        paid_on="2026-11-30",
        buyer=None,
        currency="EUR",
        lines=[Line(name=name, quantity="1", unit_price="2.00", total_price="2.00") for name in names],
        sums=[("Total", "2.00"), ("Net", "2.00")],
    )
