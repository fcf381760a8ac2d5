"""The statements that find an order, each by a unique index."""

from uuid import UUID

from sqlalchemy import ColumnElement, Text, bindparam, literal_column, select
from sqlalchemy.dialects.postgresql import CITEXT

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from payment.models import Dispute, LedgerEntry, Order, PaymentAttempt, Refund, User

_Q: ColumnElement[str] = bindparam("q", type_=Text())

_INTENT = select(PaymentAttempt.order_id).where(PaymentAttempt.stripe_payment_intent_id == _Q)
_SESSION = select(PaymentAttempt.order_id).where(PaymentAttempt.stripe_id == _Q)
# A charge that took money is booked, of whichever attempt it is.
_CHARGE = select(LedgerEntry.order_id).where(
    LedgerEntry.movement == literal_column("'charge '", Text()) + _Q, LedgerEntry.amount > literal_column("0")
)
_REFUND = select(Refund.order_id).where(Refund.stripe_id == _Q)
_DISPUTE = select(Dispute.order_id).where(Dispute.stripe_id == _Q)
_BY_PREFIX = {
    prefix: DriverStatement(statement)
    for prefix, statement in {
        "pi": _INTENT,
        "cs": _SESSION,
        "ch": _CHARGE,
        "py": _CHARGE,
        "re": _REFUND,
        "pyr": _REFUND,
        "du": _DISPUTE,
        "dp": _DISPUTE,
    }.items()
}
_BY_EMAIL = DriverStatement(select(User.id).where(User.email == bindparam("q", type_=CITEXT())))
_BY_RECEIPT = DriverStatement(select(Order.id).where(Order.receipt_number == _Q))


async def find_wanted(database: Database, q: str) -> dict[str, UUID] | None:
    """What an id of an order or of Stripe, the number of a receipt, or an e-mail address stands for: an `order_id`, or for an
    address the `owner` of orders. None if nothing does."""
    try:
        return {"order_id": UUID(q)}
    except ValueError:
        pass
    is_address = "@" in q
    statement = _BY_EMAIL if is_address else _BY_PREFIX.get(q.partition("_")[0], _BY_RECEIPT)
    record = await database.fetch_record(statement, q=q)
    return None if record is None else {"owner" if is_address else "order_id": record[0]}
