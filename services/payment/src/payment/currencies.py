"""The currencies of orders: ISO 4217 codes that Stripe accepts, with Stripe's rules for each.

Source: Stripe's pages "Supported currencies" (codes, zero- and three-decimal currencies, special cases) and "Minimum and
maximum charge amounts".
"""

from dataclasses import dataclass
from decimal import Decimal

MAXIMUM_DIGITS = 8
"""Stripe charges amounts of up to so many digits, in minor units, in every currency that is not an exception."""

MORE_MAXIMUM_DIGITS = {"idr": 12, "cop": 10, "huf": 10, "jpy": 10, "lbp": 10, "inr": 9}
"""The exceptions, whose units are small."""


@dataclass(frozen=True, kw_only=True)
class Currency:
    """One currency.

    `decimals`: of a written amount. `minor_digits`: of Stripe's minor units, as a power of ten; these are more than
    `decimals` for ISK and UGX. `step`: the smallest difference between two amounts that can be charged.
    """

    code: str
    decimals: int
    minor_digits: int
    step: Decimal
    minimum: Decimal
    maximum: Decimal


class UnknownCurrency(ValueError):
    """Not the lower-case code of a currency that Stripe accepts."""


_ZERO_DECIMAL_CODES = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"

_ZERO_DECIMAL_IN_HUNDREDTHS = frozenset({"isk", "ugx"})
"""Without decimals in ISO 4217, but in hundredths at Stripe; the last two digits must be 00."""

_THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
"""In thousandths at Stripe; the last digit must be 0, since card networks settle two decimals."""

_TWO_DECIMAL_CODES = """
    aed afn all amd aoa ars aud awg azn bam bbd bdt bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk dkk
    dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr
    lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd
    rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw
"""

_MINIMUMS = {
    "aed": "2.00",
    "aud": "0.50",
    "brl": "0.50",
    "cad": "0.50",
    "chf": "0.50",
    "czk": "15.00",
    "dkk": "2.50",
    "eur": "0.50",
    "gbp": "0.30",
    "hkd": "4.00",
    "huf": "175.00",
    "inr": "0.50",
    "jpy": "50",
    "mxn": "10.00",
    "myr": "2.00",
    "nok": "3.00",
    "nzd": "0.50",
    "pln": "2.00",
    "ron": "2.00",
    "sek": "3.00",
    "sgd": "0.50",
    "thb": "10.00",
    "usd": "0.50",
}
"""The minimum charges that Stripe names. For other currencies the minimum depends on the account's currency and the
exchange rate, so one step is the minimum here."""


def _currency(code: str, *, decimals: int, minor_digits: int, step: str) -> Currency:
    smallest = Decimal(step)
    digits = MORE_MAXIMUM_DIGITS.get(code, MAXIMUM_DIGITS)
    largest = Decimal(10**digits - 1).scaleb(-minor_digits)
    return Currency(
        code=code,
        decimals=decimals,
        minor_digits=minor_digits,
        step=smallest,
        minimum=Decimal(_MINIMUMS.get(code, step)),
        maximum=largest // smallest * smallest,
    )


CURRENCIES = {
    currency.code: currency
    for currency in (
        *(_currency(code, decimals=0, minor_digits=0, step="1") for code in _ZERO_DECIMAL_CODES.split()),
        *(
            _currency(code, decimals=0, minor_digits=2, step="1")
            for code in sorted(_ZERO_DECIMAL_IN_HUNDREDTHS)
        ),
        *(_currency(code, decimals=2, minor_digits=2, step="0.01") for code in _TWO_DECIMAL_CODES.split()),
        *(_currency(code, decimals=3, minor_digits=3, step="0.010") for code in sorted(_THREE_DECIMAL)),
    )
}


def find_currency(code: str) -> Currency:
    """The currency of a lower-case code. Raises `UnknownCurrency`."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise UnknownCurrency(
            "not a currency that can be charged; write its ISO 4217 code in lower case, such as eur"
        ) from None
