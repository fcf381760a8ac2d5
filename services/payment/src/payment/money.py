"""Amounts of money: decimal strings in JSON, `Decimal` in Python, whole minor units at Stripe. Never a float."""

import re
from decimal import Decimal

from payment.currencies import CURRENCIES, Currency, UnknownCurrency, find_currency

AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,3})?$"
"""A decimal string of any currency: no sign, no exponent, no leading zero."""

_AMOUNT = re.compile(AMOUNT_PATTERN.replace("$", r"\Z"))


class InvalidAmount(ValueError):
    """The amount cannot be written or charged in its currency; the text says why."""


class BelowMinimum(InvalidAmount):
    """Below the minimum charge in this currency."""


class AboveMaximum(InvalidAmount):
    """Above the maximum charge in this currency."""


def parse_amount(text: str, currency: Currency) -> Decimal:
    """The amount of a decimal string: positive, with exactly the currency's decimals. Raises `InvalidAmount`."""
    if not _AMOUNT.match(text) or len(text.partition(".")[2]) != currency.decimals:
        raise InvalidAmount(
            f"write a decimal string with {_count_decimals(currency)}, such as {_example(currency)!r}"
        )
    amount = Decimal(text)
    if amount <= 0:
        raise InvalidAmount("must be above zero")
    if amount % currency.step:
        raise InvalidAmount(f"amounts in {currency.code} are multiples of {currency.step}")
    if amount > currency.maximum:
        raise _too_large(currency)
    return amount


def format_amount(amount: Decimal, currency: Currency) -> str:
    """The amount as a decimal string with exactly the currency's decimals. Raises `InvalidAmount` when it has more."""
    exact = amount.quantize(Decimal(1).scaleb(-currency.decimals))
    if exact != amount:
        raise InvalidAmount(f"{amount} has more decimals than {currency.code}")
    return f"{exact:f}"


def can_be_charged(amount: Decimal, code: str) -> bool:
    """Whether Stripe accepts such an amount in this currency, apart from the minimum and maximum of a charge."""
    currency = CURRENCIES.get(code)
    return currency is not None and amount > 0 and amount % currency.step == 0


def show_amount(amount: Decimal, code: str) -> str:
    """The amount as responses write it.

    One that its currency cannot have, since it was stored by hand, is written in full: it must be seen to be corrected.
    """
    try:
        return format_amount(amount, find_currency(code))
    except (InvalidAmount, UnknownCurrency):
        return f"{amount:f}"


def to_minor_units(amount: Decimal, currency: Currency) -> int:
    """The amount in Stripe's minor units. Raises `InvalidAmount` when the currency has no such amount."""
    if amount % currency.step:
        raise InvalidAmount(f"amounts in {currency.code} are multiples of {currency.step}")
    return int(amount.scaleb(currency.minor_digits))


def from_minor_units(minor_units: int, currency: Currency) -> Decimal:
    """The amount of a number of Stripe's minor units. Raises `InvalidAmount` when the currency has no such amount."""
    amount = Decimal(minor_units).scaleb(-currency.minor_digits)
    if amount % currency.step:
        raise InvalidAmount(f"{minor_units} minor units are not an amount in {currency.code}")
    return amount.quantize(Decimal(1).scaleb(-currency.decimals))


def read_minor_units(minor_units: int, code: str) -> Decimal:
    """An amount as Stripe says it, even one that its currency cannot have, or in a currency that is not known here."""
    currency = CURRENCIES.get(code)
    return Decimal(minor_units).scaleb(-(currency.minor_digits if currency else 2))


def check_chargeable(amount: Decimal, currency: Currency) -> None:
    """Raises `BelowMinimum` or `AboveMaximum` when Stripe would refuse to charge the amount."""
    if amount < currency.minimum:
        least = format_amount(currency.minimum, currency)
        raise BelowMinimum(f"at least {least} {currency.code} can be charged")
    if amount > currency.maximum:
        raise _too_large(currency)


def _too_large(currency: Currency) -> AboveMaximum:
    return AboveMaximum(f"at most {format_amount(currency.maximum, currency)} {currency.code} can be charged")


def _count_decimals(currency: Currency) -> str:
    return f"{currency.decimals} decimals" if currency.decimals else "no decimals"


def _example(currency: Currency) -> str:
    return format_amount(max(currency.minimum, currency.step * 1000), currency)
