"""What the routes of receipts ask for."""

from typing import Annotated

from payment.receipts.pdf_maker import PdfMaker
from webcommon.app.state import component

PdfMakerDep = Annotated[PdfMaker, component(PdfMaker)]
