"""Rows as finished JSON: PostgreSQL writes them, and Python only passes them on.

For a page of fifty rows that takes a fifth of the time that making objects of them and writing those takes.
"""

from typing import Any

from sqlalchemy import ColumnElement, Label, Text, cast, func, literal_column
from sqlalchemy.orm import InstrumentedAttribute

Column = ColumnElement[Any] | InstrumentedAttribute[Any]

ITEM = "item"
"""The column of a row's JSON text."""


def json_item(**fields: Column) -> Label[str]:
    """A column `item`: the text of a JSON object with these fields."""
    return cast(json_object(**fields), Text).label(ITEM)


def json_object(**fields: Column) -> ColumnElement[Any]:
    """A JSON object with these fields, in this order."""
    # Names stand in the statement, as constants: as parameters each of them would be sent with every request.
    pairs = [part for name, value in fields.items() for part in (literal_column(f"'{name}'"), value)]
    return func.json_build_object(*pairs)


def json_timestamp(column: Column) -> ColumnElement[str | None]:
    """A moment in UTC as `webcommon.schemas.Timestamp` writes it: with microseconds, unless there are none."""
    written = func.to_char(
        func.timezone(literal_column("'UTC'"), column), literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")
    )
    return func.replace(written, literal_column("'.000000Z'"), literal_column("'Z'"))
