"""`payment.money.show_amount` as an SQL expression."""

from itertools import groupby

from sqlalchemy import ColumnElement, Text, case, cast, func, literal_column

from dbcommon.json_rows import Column
from payment.currencies import CURRENCIES

_STORED_DECIMALS = 3
"""The scale of every amount's column. Amounts in an unknown currency are written with all of them."""


def amount_as_text(amount: Column, currency: Column) -> ColumnElement[str]:
    """The amount with exactly its currency's decimals, or in full when it has more."""
    decimals = _decimals_of(currency)
    rounded = func.round(amount, decimals)
    return case((rounded == amount, cast(rounded, Text)), else_=cast(amount, Text))


def _decimals_of(currency: Column) -> ColumnElement[int]:
    by_decimals = sorted(CURRENCIES.values(), key=lambda each: each.decimals)
    # Literals, since parameters would be sent with every request.
    cases: list[tuple[ColumnElement[bool], ColumnElement[int]]] = [
        (currency.in_([literal_column(f"'{each.code}'") for each in group]), literal_column(str(decimals)))
        for decimals, group in groupby(by_decimals, key=lambda each: each.decimals)
    ]
    return case(*cases, else_=literal_column(str(_STORED_DECIMALS)))
