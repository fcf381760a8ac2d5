"""The base of all tables."""

from datetime import datetime

from sqlalchemy import DateTime, Text
from sqlalchemy.orm import DeclarativeBase

from dbcommon.models import new_metadata


class Model(DeclarativeBase):
    """Base of the tables of `videovault_db`."""

    metadata = new_metadata()
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy reads it from the class as it is
