"""Filters of a list: conditions on the columns themselves, so that PostgreSQL reads the values and may use an index."""

from typing import Any

from sqlalchemy import ColumnElement, Text, cast
from starlette_admin.fields import BaseField
from starlette_admin.filters import BaseFilter, FilterApplyContext, FilterDataType, FilterRegistry
from starlette_admin.filters.generic import EqualFilter, IsNotNullFilter, IsNullFilter
from starlette_admin.filters.string import ContainsFilter


class Contains(ContainsFilter):
    def apply(self, ctx: FilterApplyContext) -> ColumnElement[bool]:
        """The column's text contains the value, in any case."""
        return contains(_column(ctx), _text(ctx))


class Equal(EqualFilter):
    def apply(self, ctx: FilterApplyContext) -> ColumnElement[bool]:
        """The column equals the value."""
        return _column(ctx) == _value(ctx)


class GreaterOrEqual(BaseFilter):
    name = "gte"
    label = "At least"
    data_type = FilterDataType.STRING

    def apply(self, ctx: FilterApplyContext) -> ColumnElement[bool]:
        """The column is the value or greater, for a time: then or later."""
        return _column(ctx) >= _value(ctx)


class Less(BaseFilter):
    name = "lt"
    label = "Below"
    data_type = FilterDataType.STRING

    def apply(self, ctx: FilterApplyContext) -> ColumnElement[bool]:
        """The column is less than the value, for a time: earlier."""
        return _column(ctx) < _value(ctx)


class IsNull(IsNullFilter):
    def apply(self, ctx: FilterApplyContext) -> ColumnElement[bool]:
        """The column is NULL."""
        return _column(ctx).is_(None)


class IsNotNull(IsNotNullFilter):
    def apply(self, ctx: FilterApplyContext) -> ColumnElement[bool]:
        """The column has a value."""
        return _column(ctx).is_not(None)


def contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a column's text contains another, in any case."""
    return cast(column, Text).icontains(text, autoescape=True)


FILTERS = FilterRegistry({BaseField: (Equal, Contains, GreaterOrEqual, Less, IsNull, IsNotNull)})


def _column(ctx: FilterApplyContext) -> ColumnElement[Any]:
    view: Any = ctx.view
    column: ColumnElement[Any] = view.table.c[ctx.field_name]
    return column


def _value(ctx: FilterApplyContext) -> ColumnElement[Any]:
    view: Any = ctx.view
    value: ColumnElement[Any] = view.typed(ctx.field_name, _text(ctx))
    return value


def _text(ctx: FilterApplyContext) -> str:
    """The value; one with a comma comes as a list, its quotes left in place."""
    if isinstance(ctx.value, str):
        return ctx.value
    text = ",".join(ctx.value)
    if len(text) < 2 or not text.startswith('"') or not text.endswith('"'):
        return text
    return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
