"""The base of all tables, and a CHECK that several share."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import LargeBinary, Numeric, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase

from dbcommon.models import new_metadata


class Model(DeclarativeBase):
    """Base of the tables of `payment_db`."""

    metadata = new_metadata()
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class as it is
        str: Text(),
        bytes: LargeBinary(),
        datetime: TIMESTAMP(timezone=True),
        Decimal: Numeric(18, 3),
    }


CURRENCY_SHAPE = "currency ~ '^[a-z]{3}$'"
"""The form of a code only: the list of codes changes over the years, and is in `payment.currencies`."""
