"""Statements of the hottest paths: compiled once, run on the driver's own connection.

Of the time that a select by primary key costs in SQLAlchemy Core, half goes into objects that such a read does not use:
the execution context, the cursor, the result and its metadata. Here the statement is still written and checked as Core,
and the connection is the pool's.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ARRAY, Boolean, Numeric, Select, TextClause
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.types import TypeEngine

_dialect: Dialect = registry.load("postgresql.asyncpg")()


class DriverStatement:
    """A select, or an update with RETURNING, with named `bindparam`s, compiled for asyncpg at import.

    Raises `ValueError` for what needs SQLAlchemy's execution: IN lists of any length, types that convert in Python.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]] | ReturningUpdate[*tuple[Any, ...]]) -> None:
        compiled = statement.compile(dialect=_dialect)
        if compiled.post_compile_params or compiled.literal_execute_params:
            raise ValueError(
                "a prepared read cannot hold a list that is expanded at execution; use = ANY(array)"
            )
        self.sql = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        for bind in compiled.binds.values():
            _refuse_if(_binds_in_python(bind.type), bind.key)
        for column in statement.exported_columns:
            _refuse_if(_reads_in_python(column.type), str(column.key))

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the placeholders. Raises `KeyError` when one is missing."""
        return [parameters[name] if name in parameters else self._fixed[name] for name in self._names]


class DriverText(DriverStatement):
    """A statement in SQL text, with types for the binds that the server cannot infer. Values and rows are the driver's
    own."""

    def __init__(self, statement: TextClause) -> None:
        compiled = statement.compile(dialect=_dialect)
        self.sql = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}


def _refuse_if(converts: bool, name: str) -> None:
    if converts:
        raise ValueError(f"{name} has a type that SQLAlchemy converts in Python; read it with fetch_one")


def _binds_in_python(kind: TypeEngine[Any]) -> bool:
    # SQLAlchemy only checks booleans, which the driver does too.
    return not isinstance(kind, Boolean) and kind.dialect_impl(_dialect).bind_processor(_dialect) is not None


def _reads_in_python(kind: TypeEngine[Any]) -> bool:
    # The driver makes lists of arrays and Decimals of numerics by itself.
    if isinstance(kind, ARRAY):
        return _reads_in_python(kind.item_type)
    if isinstance(kind, Numeric):
        return not kind.asdecimal
    return kind.dialect_impl(_dialect).result_processor(_dialect, None) is not None
