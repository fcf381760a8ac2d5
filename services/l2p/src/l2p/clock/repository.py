"""The statement that reads the database's clock."""

from datetime import datetime

from sqlalchemy import func, select

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database

_NOW = DriverStatement(select(func.clock_timestamp().label("now")))


async def read_time(database: Database) -> datetime:
    """The time at the database."""
    (record,) = await database.fetch_records(_NOW)
    now: datetime = record["now"]
    return now
