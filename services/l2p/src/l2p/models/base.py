"""The base of all tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase

from dbcommon.models import new_metadata


class Model(DeclarativeBase):
    """Base of the tables of `l2p_db`."""

    metadata = new_metadata()
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class as it is
        str: Text(),
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }
