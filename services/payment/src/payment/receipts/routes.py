"""`/v1/orders/{order_id}/receipt`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from dbcommon.session import DatabaseDep
from payment.dependencies import CustomerDep, is_admin
from payment.orders.errors import OrderNotFound
from payment.receipts import service
from payment.receipts.dependencies import PdfMakerDep
from payment.receipts.errors import NoReceiptYet, PdfUnavailable
from payment.receipts.page import HEADERS, show_receipt
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path

router = APIRouter(prefix="/v1/orders/{order_id}/receipt", tags=["orders"])

PDF = "application/pdf"

_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The receipt.",
        "content": {
            "text/html": {"schema": {"type": "string"}},
            PDF: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.get(
    "",
    operation_id="read_receipt",
    summary="The receipt of an order",
    response_class=Response,
    responses=_FORMS | problem_responses(Unauthorized, OrderNotFound, NoReceiptYet, PdfUnavailable),
)
@fast_path
async def read_receipt(
    order_id: UUID,
    request: Request,
    caller: CustomerDep,
    database: DatabaseDep,
    maker: PdfMakerDep,
    format: Annotated[  # noqa: A002 - the parameter's name
        Literal["html", "pdf"] | None,
        Query(description="Else `Accept` decides: a PDF if it is preferred to HTML."),
    ] = None,
) -> Response:
    """A page, or a PDF with the same content, of an order of the caller, or of any for an admin."""
    receipt = await service.read_receipt(database, order_id, owner=None if is_admin(caller) else caller.id)
    if format == "html" or (format is None and not prefers_pdf(request.headers.get("accept", ""))):
        response: Response = show_receipt(receipt)
    else:
        named = {"Content-Disposition": f'inline; filename="receipt-{receipt.number}.pdf"'}
        response = Response(await maker.make(receipt), media_type=PDF, headers=HEADERS | named)
    response.headers["Vary"] = "Accept"
    return response


def prefers_pdf(accept: str) -> bool:
    """Whether a PDF is named in an `Accept` header, with at least the weight of HTML (RFC 9110, section 12.5.1)."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weights[kind] = float(weight)
        except ValueError:
            weights[kind] = 0
    return weights.get(PDF, 0) > 0 and weights.get(PDF, 0) >= weights.get("text/html", 0)
