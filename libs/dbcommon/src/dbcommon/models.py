"""What every table shares: constraint names that can be relied on, and UUIDv7 keys."""

from typing import Annotated, get_args
from uuid import UUID

from sqlalchemy import MetaData, text
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""An IntegrityError is told apart by its constraint's name, so the names are fixed here and not by the server."""


def new_metadata() -> MetaData:
    """Metadata of one service, with the suite's constraint names."""
    return MetaData(naming_convention=NAMING_CONVENTION)


def one_of(column: str, values: object) -> str:
    """The condition of a CHECK that a column has one of the values of a `Literal`."""
    listed = ", ".join(f"'{value}'" for value in get_args(values))
    return f"{column} IN ({listed})"


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7): ordered by time, so that new rows land side by side in an index."""
    return uuid7()


LOWEST_ID, HIGHEST_ID = UUID(int=0), UUID(int=2**128 - 1)
"""The nil and the max UUID (RFC 9562, sections 5.9 and 5.10), which no row has: a list begins after one of them."""


PrimaryKey = Annotated[
    UUID, mapped_column(primary_key=True, default=new_id, server_default=text("gen_random_uuid()"))
]
"""Made by the application; the server's default lets plain SQL inserts work too."""
