"""The statement of a list."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, Select, Text, Uuid, bindparam, tuple_

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import Column, prepare_page

Position = tuple[datetime, UUID]
"""The time and the id of a row."""


def text_parameter(name: str) -> ColumnElement[str]:
    """A parameter of a condition."""
    return bindparam(name, type_=Text())


class Listing:
    """A list, newest first, whose pages go by `created_at` and `id`.

    `items` selects the JSON of an item, then those two columns. `conditions` are what narrows the list, each with a parameter
    of its own name, besides `created_after` and `created_before`, which every list has.
    """

    def __init__(
        self,
        items: Select[*tuple[Any, ...]],
        *,
        created_at: Column,
        id: Column,  # noqa: A002 - the column's name
        conditions: Mapping[str, ColumnElement[bool]],
    ) -> None:
        moment = created_at.type
        last = bindparam("last_time", type_=moment), bindparam("last_id", type_=Uuid())
        self._conditions = {
            **conditions,
            "created_after": created_at > bindparam("created_after", type_=moment),
            "created_before": created_at < bindparam("created_before", type_=moment),
            "last_id": tuple_(created_at, id) < tuple_(*last),
        }
        self._items = items.order_by(created_at.desc(), id.desc())
        self._prepare = cache(self._prepare_page)

    async def find_page(
        self, database: Database, *, before: Position | None, limit: int, **wanted: Any
    ) -> "asyncpg.Record":
        """A page of `prepare_page`, from the row after `before` on. What is None in `wanted` narrows nothing."""
        given = {name: value for name, value in wanted.items() if value is not None}
        if before is not None:
            given |= {"last_time": before[0], "last_id": before[1]}
        return await database.fetch_page(self._prepare(frozenset(given)), **given, limit=limit)

    def _prepare_page(self, names: frozenset[str]) -> DriverStatement:
        wanted = [condition for name, condition in self._conditions.items() if name in names]
        return prepare_page(self._items.where(*wanted))
