"""The pages of one table: lists, rows and, when told so, forms.

Every value is text as PostgreSQL spells it, in both directions: so every type can be shown and edited, in full precision.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Dialect,
    Executable,
    Select,
    Table,
    Text,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette_admin.contrib.sqla.filters import build_filter_clause
from starlette_admin.exceptions import ActionFailed, FormValidationError
from starlette_admin.fields import TextAreaField
from starlette_admin.filters import FilterGroup, FilterRegistry
from starlette_admin.flash import flash
from starlette_admin.views import BaseModelView

from dbcommon.dsn import DatabaseUrl
from quartet.service_database import UNDEFINED, explain_refusal
from quartet.studio.filters import FILTERS, contains
from quartet.studio.hidden import is_hidden
from quartet.studio.row_keys import RowKeys

LONGEST = 200
"""Characters of a value in a list; the page of a row shows all."""

MOST_ROWS = 10_000
"""How far a list is counted and can be paged; a filter leads to the rest."""

MOST_A_PAGE = 100
KEY = "_key"
CHANGED = "the row was changed or deleted meanwhile: open it again from the list"

Row = Mapping[str, Any]


class ColumnField(TextAreaField):
    """A column's value as text."""

    async def parse_obj(self, request: Request, obj: Row) -> str | None:  # noqa: ARG002  the library's signature
        """The value of a row."""
        found: str | None = obj.get(self.name)
        return found


class TableView(BaseModelView):
    """One table of a service. Hidden columns are not read, or sealed where they are part of the primary key."""

    page_size = 25
    page_size_options = (25, 50, MOST_A_PAGE)
    exporters = ()
    importers = ()
    actions = ()
    pk_attr = KEY
    fields_default_sort = ()
    search_highlight = False

    def __init__(
        self,
        table: Table,
        *,
        service: str,
        url: DatabaseUrl,
        engine: AsyncEngine,
        keys: RowKeys,
        writes: bool,
    ) -> None:
        self.table = table
        self.key = self.menu_label = self.display_name = table.name
        self.hidden = [column.name for column in table.columns if is_hidden(column)]
        self.most_rows = MOST_ROWS
        self._shown = [column for column in table.columns if not is_hidden(column)]
        self.fields = [_field(column, engine.dialect) for column in self._shown]
        self._service, self._url, self._engine, self._keys, self._writes = service, url, engine, keys, writes
        super().__init__()

    def can_create(self, request: Request) -> bool:  # noqa: ARG002  the library's signature
        """Only with --write."""
        return self._writes

    def can_edit(self, request: Request) -> bool:  # noqa: ARG002
        """Only with --write."""
        return self._writes

    def can_delete(self, request: Request) -> bool:  # noqa: ARG002
        """Only with --write."""
        return self._writes

    def can_export(self, request: Request) -> bool:  # noqa: ARG002
        """Never: `quartet db shell` has \\copy."""
        return False

    def can_import(self, request: Request) -> bool:  # noqa: ARG002
        """Never."""
        return False

    async def is_action_allowed(self, request: Request, name: str) -> bool:  # noqa: ARG002
        """Never: an action is for many rows at once, which nobody looked at."""
        return False

    def get_filter_registry(self) -> FilterRegistry:
        """The same filters for every column."""
        return FILTERS

    def typed(self, name: str, text: str) -> ColumnElement[Any]:
        """A text as a value of the column's type, which PostgreSQL reads."""
        return cast(literal(text, Text()), self.table.c[name].type)

    async def find_all(
        self,
        request: Request,
        skip: int = 0,
        limit: int = MOST_A_PAGE,
        q: str | None = None,
        sorts: Sequence[tuple[str, str]] | None = None,
        filters: FilterGroup | None = None,
    ) -> Sequence[Row]:
        """A page of rows, in one statement; the newest keys first."""
        statement = self._narrowed(select(*self._columns(longest=LONGEST)), request, q=q, filters=filters)
        shown = {column.name: column for column in self._shown}
        for name, direction in sorts or ():
            if name in shown:
                statement = statement.order_by(
                    shown[name].desc() if direction == "desc" else shown[name].asc()
                )
        statement = statement.order_by(*[column.desc() for column in self.table.primary_key])
        rows = statement.offset(min(skip, MOST_ROWS)).limit(
            limit if 0 < limit <= MOST_A_PAGE else MOST_A_PAGE
        )
        return [self._row(row, longest=LONGEST) for row in await self._fetch(rows)]

    async def count(self, request: Request, q: str | None = None, filters: FilterGroup | None = None) -> int:
        """How many rows there are, `MOST_ROWS` at most, so that a large table is not read whole."""
        matching = self._narrowed(select(literal(1).label("one")), request, q=q, filters=filters)
        limited = matching.select_from(self.table).limit(MOST_ROWS).subquery()
        (row,) = await self._fetch(select(func.count().label("rows")).select_from(limited))
        found: int = row["rows"]
        return found

    async def find_by_pk(self, request: Request, pk: Any) -> Row | None:  # noqa: ARG002  the library's signature
        """The row of a sealed key, whole; None when it is gone."""
        parts = self._keys.open(self._name, str(pk))
        if parts is None:
            return None
        rows = await self._fetch(select(*self._columns()).where(*self._has_key(parts)))
        return self._row(rows[0]) if rows else None

    async def find_by_pks(self, request: Request, pks: list[Any]) -> Sequence[Row]:
        """The rows of several sealed keys; those that are gone are left out. No page asks for them."""
        found = [await self.find_by_pk(request, pk) for pk in pks]
        return [row for row in found if row is not None]

    async def create(self, request: Request, data: dict[str, Any]) -> Row:
        """Insert a row; an empty field takes the column's default."""
        values = {name: self.typed(name, text) for name, text in _texts(data).items() if text}
        row = await self._write(request, insert(self.table).values(values).returning(*self._columns()))
        assert row is not None  # noqa: S101  an insert without a conflict clause gives a row
        return row

    async def edit(self, request: Request, pk: Any, data: dict[str, Any]) -> Row:
        """Set the columns that differ from the row; empty is NULL where the column allows it."""
        parts = self._keys.open(self._name, str(pk)) or []
        current = await self.find_by_pk(request, pk)
        if current is None or current["_version"] != parts[-1]:
            raise _refused(request, CHANGED)
        values = {
            name: self._new_value(name, text)
            for name, text in _texts(data).items()
            if text != _lines(current[name] or "")
        }
        if not values:
            return current
        statement = update(self.table).where(*self._has_key(parts), _version() == parts[-1]).values(values)
        row = await self._write(request, statement.returning(*self._columns()))
        if row is None:
            raise _refused(request, CHANGED)
        return row

    async def delete(self, request: Request, pks: list[Any]) -> int:  # noqa: ARG002  the library's signature
        """Delete the one row, if it is still as it was shown."""
        (pk,) = pks
        parts = self._keys.open(self._name, str(pk))
        if parts is None:
            raise ActionFailed(CHANGED)
        statement = delete(self.table).where(*self._has_key(parts), _version() == parts[-1])
        try:
            async with self._engine.begin() as connection:
                deleted = (await connection.execute(statement)).rowcount
        except DBAPIError as error:
            raise ActionFailed(self.explain(error)) from error
        if not deleted:
            raise ActionFailed(CHANGED)
        return deleted

    def explain(self, error: DBAPIError) -> str:
        """Why a statement was refused, without the values of the row."""
        return explain_refusal(error, self._url, service=self._service, outdated=UNDEFINED)

    async def repr(self, obj: Row, request: Request) -> str:  # noqa: ARG002  the library's signature
        """The table's name, and the row's primary key unless it is hidden."""
        key = [obj[column.name] for column in self.table.primary_key if column.name not in self.hidden]
        return f"{self.table.name} {' '.join(map(str, key))}".strip()

    async def get_pk_value(self, request: Request, obj: Row) -> Any:  # noqa: ARG002  the library's signature
        """The row's sealed key."""
        return obj[KEY]

    @property
    def _name(self) -> str:
        return f"{self._service}.{self.table.name}"

    def _columns(self, *, longest: int | None = None) -> list[ColumnElement[Any]]:
        shown: list[ColumnElement[Any]] = []
        for column in self._shown:
            text = cast(column, Text)
            shown.append((text if longest is None else func.left(text, longest + 1)).label(column.name))
        key = [
            cast(column, Text).label(f"_key_{at}") for at, column in enumerate(self.table.primary_key.columns)
        ]
        return [*shown, *key, _version().label("_version")]

    def _row(self, found: Mapping[str, Any], *, longest: int | None = None) -> Row:
        key = [found[f"_key_{at}"] for at in range(len(self.table.primary_key.columns))]
        row: dict[str, Any] = {"_version": found["_version"]}
        for column in self._shown:
            text = found[column.name]
            is_cut = longest is not None and text is not None and len(text) > longest
            row[column.name] = f"{text[:longest]}…" if is_cut else text
        row[KEY] = self._keys.seal(self._name, [*key, found["_version"]])
        return row

    def _narrowed(
        self, statement: "Select[Any]", request: Request, *, q: str | None, filters: FilterGroup | None
    ) -> "Select[Any]":
        if q:
            statement = statement.where(or_(*[contains(column, q) for column in self._shown]))
        if filters is not None and not filters.is_empty():
            fields = {field.name: field for field in self.fields}
            clause = build_filter_clause(filters, fields, FILTERS, self, request)
            if clause is not None:
                statement = statement.where(clause)
        return statement

    def _has_key(self, parts: Sequence[str]) -> list[ColumnElement[bool]]:
        return [
            column == cast(literal(part, Text()), column.type)
            for column, part in zip(self.table.primary_key.columns, parts[:-1], strict=True)
        ]

    def _new_value(self, name: str, text: str) -> ColumnElement[Any] | None:
        return None if text == "" and self.table.c[name].nullable else self.typed(name, text)

    async def _fetch(self, statement: Executable) -> Sequence[Mapping[str, Any]]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]

    async def _write(self, request: Request, statement: Executable) -> Row | None:
        try:
            async with self._engine.begin() as connection:
                found = (await connection.execute(statement)).mappings().one_or_none()
        except DBAPIError as error:
            raise _refused(request, self.explain(error)) from error
        return None if found is None else self._row(dict(found))


def _field(column: Column[Any], dialect: Dialect) -> ColumnField:
    told = column.type.compile(dialect=dialect)
    return ColumnField(
        column.name,
        label=column.name,
        help_text=told if column.nullable else f"{told} NOT NULL",
        rows=1,
        read_only=column.computed is not None,
    )


def _version() -> ColumnElement[str]:
    """The transaction that wrote the row last (PostgreSQL manual, 5.6)."""
    return cast(literal_column("xmin"), Text)


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    return {name: _lines(str(value)) for name, value in data.items() if value is not None}


def _lines(text: str) -> str:
    """A browser sends each line end as CR LF, and shows either as the same."""
    return text.replace("\r\n", "\n")


def _refused(request: Request, message: str) -> FormValidationError:
    flash(request, message, "error")
    return FormValidationError({})
