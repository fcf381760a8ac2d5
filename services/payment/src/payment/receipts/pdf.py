"""The receipt as a PDF. Nothing is read but the fonts of this folder, and names are text, never markup.

The font is chosen for each character: DejaVu Sans, or the fallback font.
"""

import unicodedata
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from payment.receipts.content import Receipt
from payment.receipts.fallback_font import FONTS, write_fallback_font

_MAIN_FONT = FONTS / "DejaVuSans.ttf"
_NAME_WIDTH = 100.0
"""Millimetres, as all lengths."""
_LINE_HEIGHT = 6.0


def make_pdf(receipt: Receipt) -> bytes:
    """The PDF of a receipt."""
    with TemporaryDirectory() as folder:
        pdf = FPDF()
        pdf.alias_nb_pages("")  # "{nb}" in a name is no number of pages
        pdf.set_title(f"Receipt {receipt.number}")
        pdf.set_lang("en")
        _choose_fonts(pdf, _all_text(receipt), Path(folder))
        pdf.add_page()
        _write_head(pdf, receipt)
        _write_lines(pdf, receipt)
        return bytes(pdf.output())


def _all_text(receipt: Receipt) -> str:
    return "".join([receipt.buyer or "", *(line.name for line in receipt.lines)])


@cache
def _main_characters() -> frozenset[str]:
    with TTFont(_MAIN_FONT, lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))


def _choose_fonts(pdf: FPDF, text: str, folder: Path) -> None:
    pdf.add_font("main", fname=_MAIN_FONT)
    if lacking := set(text) - _main_characters():
        path = folder / "fallback.ttf"
        write_fallback_font(lacking, path)
        pdf.add_font("fallback", fname=path)
        pdf.set_fallback_fonts(["fallback"])
    pdf.set_font("main", size=10)


def _write_head(pdf: FPDF, receipt: Receipt) -> None:
    pdf.set_font(size=16)
    _write(pdf, f"Receipt {receipt.number}", line_height=10)
    pdf.set_font(size=10)
    _write(pdf, f"Paid on {receipt.paid_on}")
    if receipt.buyer is not None:
        _write(pdf, receipt.buyer)
    pdf.ln()


def _write_lines(pdf: FPDF, receipt: Receipt) -> None:
    _write_row(pdf, "Product", "Quantity", "Price", "Amount")
    for line in receipt.lines:
        _write_row(pdf, line.name, line.quantity, line.unit_price, line.total_price)
    for label, amount in receipt.sums:
        _write_row(pdf, label, "", "", f"{amount} {receipt.currency}")


def _write_row(pdf: FPDF, name: str, *cells: str) -> None:
    """A name on as many lines as it takes, the numbers beside the last one, and a line below."""
    _write(pdf, name, width=_NAME_WIDTH)
    pdf.set_xy(pdf.l_margin + _NAME_WIDTH, pdf.y - _LINE_HEIGHT)
    width = (pdf.epw - _NAME_WIDTH) / len(cells)
    for cell in cells:
        pdf.cell(width, _LINE_HEIGHT, cell, align="R")
    pdf.ln()
    pdf.line(pdf.l_margin, pdf.y, pdf.l_margin + pdf.epw, pdf.y)


def _write(pdf: FPDF, text: str, *, width: float = 0, line_height: float = _LINE_HEIGHT) -> None:
    # Shaping joins Arabic letters, and orders what is written from right to left. It is slow, and other text needs none.
    is_shaped = any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
    pdf.set_text_shaping(use_shaping_engine=is_shaped, features={"kern": False, "liga": False})
    pdf.multi_cell(width, line_height, text, align="L", print_sh=True, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_text_shaping(use_shaping_engine=False)
