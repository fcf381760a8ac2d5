"""The receipt as a page: without script, in light and dark, and nothing is loaded."""

import base64
import hashlib
from html import escape

from fastapi.responses import HTMLResponse

from payment.receipts.content import Receipt

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { margin: 0; background: Canvas; color: CanvasText }
main { max-width: 46rem; margin: 5vh auto; padding: 1.5rem }
h1 { font-size: 1.4rem }
table { width: 100%; border-collapse: collapse }
th, td { padding: .4rem; border-bottom: 1px solid GrayText; text-align: start; vertical-align: top; overflow-wrap: anywhere }
.amount { text-align: end; white-space: nowrap; font-variant-numeric: tabular-nums }
tfoot tr:last-child { font-weight: bold }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

HEADERS = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
_PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


class _Html(str):
    """Text that is HTML already."""


def _fill(template: str, **values: str) -> _Html:
    """The template with these values; what is not HTML by then is escaped."""
    safe = {name: value if isinstance(value, _Html) else escape(value) for name, value in values.items()}
    return _Html(template.format(**safe))


def show_receipt(receipt: Receipt) -> HTMLResponse:
    """The page of a receipt."""
    lines = (_fill(_LINE, **vars(line)) for line in receipt.lines)
    sums = (_fill(_SUM, label=label, amount=f"{amount} {receipt.currency}") for label, amount in receipt.sums)
    content = _fill(
        _PAGE,
        style=_Html(_STYLE),
        number=receipt.number,
        paid_on=receipt.paid_on,
        buyer=_Html() if receipt.buyer is None else _fill(_BUYER, buyer=receipt.buyer),
        lines=_Html("".join(lines)),
        sums=_Html("".join(sums)),
    )
    return HTMLResponse(content, headers=_PAGE_HEADERS)


_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Receipt {number}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
    "<body><main><h1>Receipt {number}</h1><p>Paid on <time>{paid_on}</time>{buyer}</p>"
    '<table><thead><tr><th scope="col">Product</th><th scope="col" class="amount">Quantity</th>'
    '<th scope="col" class="amount">Price</th><th scope="col" class="amount">Amount</th></tr></thead>'
    "<tbody>{lines}</tbody><tfoot>{sums}</tfoot></table></main></body></html>"
)
_BUYER = " by <bdi>{buyer}</bdi>"
_LINE = (
    '<tr><td dir="auto">{name}</td><td class="amount">{quantity}</td><td class="amount">{unit_price}</td>'
    '<td class="amount">{total_price}</td></tr>'
)
_SUM = '<tr><th scope="row" colspan="3">{label}</th><td class="amount">{amount}</td></tr>'
