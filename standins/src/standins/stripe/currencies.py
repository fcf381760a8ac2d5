"""Amounts that can be charged, as on Stripe's page "Supported currencies". A list of its own: a judge shares nothing with
whom it judges.
"""

from standins.stripe.errors import StripeError

_CODES = [
    "usd",
    "aed",
    "afn",
    "all",
    "amd",
    "ang",
    "aoa",
    "ars",
    "aud",
    "awg",
    "azn",
    "bam",
    "bbd",
    "bdt",
    "bhd",
    "bif",
    "bmd",
    "bnd",
    "bob",
    "brl",
    "bsd",
    "bwp",
    "byn",
    "bzd",
    "cad",
    "cdf",
    "chf",
    "clp",
    "cny",
    "cop",
    "crc",
    "cve",
    "czk",
    "djf",
    "dkk",
    "dop",
    "dzd",
    "egp",
    "etb",
    "eur",
    "fjd",
    "fkp",
    "gbp",
    "gel",
    "gip",
    "gmd",
    "gnf",
    "gtq",
    "gyd",
    "hkd",
    "hnl",
    "htg",
    "huf",
    "idr",
    "ils",
    "inr",
    "isk",
    "jmd",
    "jod",
    "jpy",
    "kes",
    "kgs",
    "khr",
    "kmf",
    "krw",
    "kwd",
    "kyd",
    "kzt",
    "lak",
    "lbp",
    "lkr",
    "lrd",
    "lsl",
    "mad",
    "mdl",
    "mga",
    "mkd",
    "mmk",
    "mnt",
    "mop",
    "mur",
    "mvr",
    "mwk",
    "mxn",
    "myr",
    "mzn",
    "nad",
    "ngn",
    "nio",
    "nok",
    "npr",
    "nzd",
    "omr",
    "pab",
    "pen",
    "pgk",
    "php",
    "pkr",
    "pln",
    "pyg",
    "qar",
    "ron",
    "rsd",
    "rub",
    "rwf",
    "sar",
    "sbd",
    "scr",
    "sek",
    "sgd",
    "shp",
    "sle",
    "sos",
    "srd",
    "std",
    "szl",
    "thb",
    "tjs",
    "tnd",
    "top",
    "try",
    "ttd",
    "twd",
    "tzs",
    "uah",
    "ugx",
    "uyu",
    "uzs",
    "vnd",
    "vuv",
    "wst",
    "xaf",
    "xcd",
    "xcg",
    "xof",
    "xpf",
    "yer",
    "zar",
    "zmw",
]

_ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
_THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])

_STEPS = {"isk": 100, "ugx": 100} | dict.fromkeys(_THREE_DECIMAL, 10)
"""What amounts must be divisible by."""

_MINIMUMS = {
    "aed": 200,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
} | dict.fromkeys(["aud", "brl", "cad", "chf", "eur", "inr", "nzd", "sgd", "usd"], 50)

_DIGITS = {"idr": 12, "cop": 10, "huf": 10, "jpy": 10, "lbp": 10, "inr": 9}


def check_currency(code: str, *, param: str = "currency") -> None:
    """Raises `StripeError` for a currency that Stripe does not know."""
    if code not in _CODES:
        raise StripeError(
            f"Invalid currency: {code}. Stripe currently supports these currencies: {', '.join(_CODES)}",
            param=param,
        )


def check_amount(amount: int, currency: str, *, words: str = "Amount must be at least") -> None:
    """Raises `StripeError` for an amount that cannot be charged."""
    check_currency(currency)
    step = _STEPS.get(currency, 1)
    if amount % step:
        raise StripeError(
            f"Invalid amount: amounts in {currency} must be divisible by {step}.",
            code="parameter_invalid_integer",
            param="amount",
        )
    least = _MINIMUMS.get(currency, step)
    if amount < least:
        raise StripeError(f"{words} {show(least, currency)}", code="amount_too_small", param="amount")
    most = 10 ** _DIGITS.get(currency, 8) - 1
    if amount > most:
        raise StripeError(
            f"Amount must be no more than {show(most, currency)}", code="amount_too_large", param="amount"
        )


def show(amount: int, currency: str) -> str:
    """The amount for a reader, such as `$0.50 usd`."""
    decimals = 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2
    whole, rest = divmod(amount, 10**decimals)
    text = f"{whole:,}" + (f".{rest:0{decimals}}" if decimals else "")
    return f"{'$' if currency == 'usd' else ''}{text} {currency}"
