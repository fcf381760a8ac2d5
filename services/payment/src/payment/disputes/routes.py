"""`/v1/disputes`, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from dbcommon.session import DatabaseDep
from payment.dependencies import AdminDep
from payment.disputes.repository import DISPUTES
from payment.disputes.schemas import Dispute
from payment.listings.dependencies import PortionDep, StripeIdParameter
from payment.listings.service import answer_page
from webcommon.api.paging import Page
from webcommon.api.problems import Forbidden, Unauthorized, problem_responses
from webcommon.api.schemas import Text
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/disputes", tags=["disputes"], responses=problem_responses(Unauthorized, Forbidden)
)


@router.get("", operation_id="list_disputes", summary="Disputes and inquiries", response_model=Page[Dispute])
@fast_path
async def list_disputes(
    _admin: AdminDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    portion: PortionDep,
    status: Annotated[Text | None, Query(max_length=64, description="A status in Stripe's words.")] = None,
    stripe_id: StripeIdParameter = None,
) -> Response:
    """Admins only; newest first."""
    wanted = {"status": status, "stripe_id": stripe_id}
    return await answer_page(database, cursors, DISPUTES, portion, name="disputes", wanted=wanted)
