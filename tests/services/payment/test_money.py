"""Amounts as decimal strings, Decimal and Stripe's minor units: known pairs, and round trips of any amount."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.currencies import CURRENCIES, Currency, UnknownCurrency, find_currency
from payment.money import (
    AboveMaximum,
    BelowMinimum,
    InvalidAmount,
    check_chargeable,
    format_amount,
    from_minor_units,
    parse_amount,
    show_amount,
    to_minor_units,
)

GOLDEN = [
    ("usd", "10.00", 1_000),
    ("usd", "0.01", 1),
    ("eur", "40.28", 4_028),
    ("usd", "999999.99", 99_999_999),
    ("idr", "9999999999.99", 999_999_999_999),
    ("inr", "9999999.99", 999_999_999),
    ("cop", "99999999.99", 9_999_999_999),
    ("jpy", "1000", 1_000),
    ("krw", "500", 500),
    ("mga", "7", 7),
    ("isk", "1000", 100_000),
    ("ugx", "5", 500),
    ("huf", "175.00", 17_500),
    ("twd", "800.45", 80_045),
    ("kwd", "5.120", 5_120),
    ("bhd", "0.010", 10),
    ("tnd", "99999.990", 99_999_990),
]


@pytest.mark.parametrize(("code", "text", "minor_units"), GOLDEN)
def test_amounts_and_minor_units_convert_to_each_other(code: str, text: str, minor_units: int) -> None:
    currency = find_currency(code)
    amount = parse_amount(text, currency)
    assert to_minor_units(amount, currency) == minor_units
    assert format_amount(from_minor_units(minor_units, currency), currency) == text


currencies = st.sampled_from(sorted(CURRENCIES.values(), key=lambda currency: currency.code))


@st.composite
def amounts(draw: st.DrawFn) -> tuple[Decimal, Currency]:
    """Any amount that can be written in any currency."""
    currency = draw(currencies)
    steps = draw(st.integers(min_value=1, max_value=int(currency.maximum / currency.step)))
    return steps * currency.step, currency


@given(amounts())
def test_amounts_survive_a_round_trip_through_text_and_minor_units(given_: tuple[Decimal, Currency]) -> None:
    amount, currency = given_
    text = format_amount(amount, currency)
    assert parse_amount(text, currency) == amount
    assert len(text.partition(".")[2]) == currency.decimals
    assert from_minor_units(to_minor_units(amount, currency), currency) == amount


@given(currencies, st.integers(min_value=0, max_value=10**15))
def test_minor_units_survive_a_round_trip_or_are_refused(currency: Currency, minor_units: int) -> None:
    try:
        amount = from_minor_units(minor_units, currency)
    except InvalidAmount:
        unit = 10 if currency.decimals == 3 else 100
        assert currency.code in {"isk", "ugx"} or currency.decimals == 3
        assert minor_units % unit != 0
    else:
        assert to_minor_units(amount, currency) == minor_units


@given(currencies, st.text(max_size=12))
def test_a_text_is_an_amount_or_raises_invalid_amount(currency: Currency, text: str) -> None:
    try:
        amount = parse_amount(text, currency)
    except InvalidAmount:
        return
    assert text.isascii()
    assert format_amount(amount, currency) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1.00", "1.00\n", "+1.00", "-1.00", "01.00", ".50", "1.", "1,00", "1e2", "1_0.00", "NaN"),
        *("1", "1.0", "1.000", "0.00", "1.00 usd", "\u0661.00", "Infinity", "1000000.00", "9" * 400),
    ],
)
def test_invalid_amounts_in_dollars_are_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_amount(text, find_currency("usd"))


@pytest.mark.parametrize("text", ["1.23", "1.2340", "1.234", "100000.000"])
def test_invalid_amounts_in_kuwaiti_dinars_are_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_amount(text, find_currency("kwd"))


@pytest.mark.parametrize(("code", "minor_units"), [("isk", 101), ("ugx", 50), ("kwd", 1_001)])
def test_minor_units_that_stripe_refuses_are_refused(code: str, minor_units: int) -> None:
    with pytest.raises(InvalidAmount):
        from_minor_units(minor_units, find_currency(code))


def test_an_amount_with_more_decimals_than_its_currency_is_never_rounded() -> None:
    with pytest.raises(InvalidAmount):
        format_amount(Decimal("1.005"), find_currency("usd"))
    with pytest.raises(InvalidAmount):
        to_minor_units(Decimal("1.005"), find_currency("usd"))
    with pytest.raises(InvalidAmount):
        to_minor_units(Decimal("0.5"), find_currency("jpy"))


@pytest.mark.parametrize(
    ("code", "least", "most"),
    [
        ("usd", "0.50", "999999.99"),
        ("gbp", "0.30", "999999.99"),
        ("mxn", "10.00", "999999.99"),
        ("jpy", "50", "9999999999"),
        ("krw", "1", "99999999"),
        ("huf", "175.00", "99999999.99"),
        ("cop", "0.01", "99999999.99"),
        ("lbp", "0.01", "99999999.99"),
        ("idr", "0.01", "9999999999.99"),
        ("inr", "0.50", "9999999.99"),
        ("isk", "1", "999999"),
        ("ugx", "1", "999999"),
        ("kwd", "0.010", "99999.990"),
    ],
)
def test_minimum_and_maximum_charge(code: str, least: str, most: str) -> None:
    currency = find_currency(code)
    check_chargeable(Decimal(least), currency)
    check_chargeable(Decimal(most), currency)
    with pytest.raises(BelowMinimum):
        check_chargeable(Decimal(least) - currency.step, currency)
    with pytest.raises(AboveMaximum):
        check_chargeable(Decimal(most) + currency.step, currency)


def test_currencies_are_those_of_stripe_with_its_digits() -> None:
    by_kind: dict[tuple[int, int], set[str]] = {}
    digits: dict[int, set[str]] = {}
    for code, currency in CURRENCIES.items():
        by_kind.setdefault((currency.decimals, currency.minor_digits), set()).add(code)
        digits.setdefault(len(str(to_minor_units(currency.maximum, currency))), set()).add(code)
    assert " ".join(sorted(by_kind[0, 0])) == "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
    assert by_kind[0, 2] == {"isk", "ugx"}
    assert by_kind[3, 3] == {"bhd", "jod", "kwd", "omr", "tnd"}
    assert by_kind[2, 2] == set(CURRENCIES) - by_kind[0, 0] - by_kind[0, 2] - by_kind[3, 3]
    assert (digits[12], digits[10], digits[9]) == ({"idr"}, {"jpy", "huf", "cop", "lbp"}, {"inr"})
    assert digits[8] == set(CURRENCIES) - digits[12] - digits[10] - digits[9]


@pytest.mark.parametrize("code", ["EUR", "xxx", "", "btc", "hrk", "eur "])
def test_unknown_currencies_are_refused(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        find_currency(code)


def test_every_currency_can_be_charged_within_its_bounds() -> None:
    for currency in CURRENCIES.values():
        assert currency.minimum % currency.step == 0
        assert currency.maximum % currency.step == 0
        assert format_amount(currency.minimum, currency)


def test_an_amount_that_its_currency_cannot_have_is_written_in_full() -> None:
    assert show_amount(Decimal("12.500"), "eur") == "12.50"
    assert show_amount(Decimal("12.505"), "eur") == "12.505"
    assert show_amount(Decimal("12.500"), "zzz") == "12.500"
