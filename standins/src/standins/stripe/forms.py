"""Forms with nested names, and the checks of their parameters, in Stripe's words."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from standins.stripe.currencies import check_currency
from standins.stripe.errors import StripeError

Check = Callable[[Any, str], Any]
"""Turns the text (or the nested texts) of a parameter into its value, or raises `StripeError`."""

Fields = dict[str, Check]

MOST_METADATA_KEYS = 50

_PARTS = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")
_NAME = re.compile(r"[^\[\]]+(?:\[[^\[\]]*\])*")


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a[b]=1` as `{"a": {"b": "1"}}`. Items of arrays have numbers as their names."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        if not _NAME.fullmatch(name):
            raise StripeError(f"Invalid parameter name: {name}", param=name)
        parts = _PARTS.findall(name)
        here = root
        for part in parts[:-1]:
            here = here.setdefault(part or str(len(here)), {})
            if not isinstance(here, dict):
                raise StripeError("Invalid object", param=name)
        here[parts[-1] or str(len(here))] = value
    return root


def read(given: Mapping[str, Any], fields: Fields, *, required: Iterable[str] = ()) -> dict[str, Any]:
    """The values of parameters. Raises `StripeError` for those that are unknown, missing or mistyped."""
    return _read_fields(given, fields, "", required)


def _read_fields(
    given: Mapping[str, Any], fields: Fields, at: str, required: Iterable[str]
) -> dict[str, Any]:
    values = {}
    for name, value in given.items():
        path = f"{at}[{name}]" if at else name
        if name not in fields:
            raise StripeError(f"Received unknown parameter: {path}", code="parameter_unknown", param=path)
        values[name] = fields[name](value, path)
    for name in required:
        if name not in given:
            path = f"{at}[{name}]" if at else name
            raise StripeError(f"Missing required param: {path}.", code="parameter_missing", param=path)
    return values


def _text(value: Any, at: str, kind: str) -> str:
    if not isinstance(value, str):
        raise StripeError(f"Invalid {kind}: {_shown(value)}", param=at)
    return value


def _shown(value: Any) -> str:
    return "{" + ", ".join(f'"{name}"=>"{each}"' for name, each in value.items()) + "}"


def _filled(value: Any, at: str, kind: str) -> str:
    text = _text(value, at, kind)
    if not text:
        raise StripeError(
            f"You passed an empty string for '{at}'. We assume empty values are an attempt to unset a field; however "
            f"'{at}' cannot be unset. You should remove '{at}' from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=at,
        )
    return text


def string(most: int = 5000) -> Check:
    """A text. The empty one unsets the field."""

    def check(value: Any, at: str) -> str | None:
        text = _text(value, at, "string")
        if len(text) > most:
            raise StripeError(
                f"Invalid string: {text[:10]}...{text[-10:]}; must be at most {most} characters", param=at
            )
        return text or None

    return check


def filled(value: Any, at: str) -> str:
    """A text that cannot be unset."""
    return _filled(value, at, "string")


def email(value: Any, at: str) -> str | None:
    """An address of the form that Stripe takes."""
    text: str | None = string(512)(value, at)
    if text is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text):
        raise StripeError(f"Invalid email address: {text}", code="email_invalid", param=at)
    return text


def integer(least: int | None = None, most: int | None = None) -> Check:
    """A whole number."""

    def check(value: Any, at: str) -> int:
        text = _filled(value, at, "integer")
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise StripeError(f"Invalid integer: {text}", code="parameter_invalid_integer", param=at)
        number = int(text)
        for limit, is_broken, words in (
            (least, least is not None and number < least, "greater"),
            (most, most is not None and number > most, "less"),
        ):
            if is_broken:
                raise StripeError(
                    f"This value must be {words} than or equal to {limit}.",
                    code="parameter_invalid_integer",
                    param=at,
                )
        return number

    return check


def boolean(value: Any, at: str) -> bool:
    """`true` or `false`."""
    text = _filled(value, at, "boolean")
    if text not in ("true", "false"):
        raise StripeError(f"Invalid boolean: {text}", param=at)
    return text == "true"


def one_of(*values: str) -> Check:
    """One of a closed set of words."""

    def check(value: Any, at: str) -> str:
        text = _filled(value, at, "string")
        if text not in values:
            words = f"{', '.join(values[:-1])}, or {values[-1]}" if values[1:] else values[0]
            raise StripeError(f"Invalid {at}: must be one of {words}", param=at)
        return text

    return check


def currency_code(value: Any, at: str) -> str:
    """The code of a currency that Stripe knows."""
    code = _filled(value, at, "string").lower()
    check_currency(code, param=at)
    return code


def array(item: Check) -> Check:
    """`a[]=x` or `a[0]=x`."""

    def check(value: Any, at: str) -> list[Any]:
        if not isinstance(value, dict) or not all(name.isdigit() for name in value):
            raise StripeError("Invalid array", param=at)
        return [item(each, f"{at}[{name}]") for name, each in value.items()]

    return check


def record(fields: Fields, *, required: Iterable[str] = ()) -> Check:
    """A nested object with these fields."""

    def check(value: Any, at: str) -> dict[str, Any] | None:
        if value == "":
            return None
        if not isinstance(value, dict):
            raise StripeError("Invalid object", param=at)
        return _read_fields(value, fields, at, required)

    return check


def metadata(value: Any, at: str) -> dict[str, str]:
    """Up to 50 keys of 40 characters, with values of 500. An empty value removes its key."""
    if value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise StripeError("Invalid object", param=at)
    if len(value) > MOST_METADATA_KEYS:
        raise StripeError(f"Metadata can have up to {MOST_METADATA_KEYS} keys", param=at)
    for name, each in value.items():
        if len(name) > 40:
            raise StripeError(
                f"Metadata keys can have up to 40 characters, but you passed in a key that is {len(name)} characters. "
                f"Invalid key: {name}",
                param=at,
            )
        if len(each) > 500:
            raise StripeError(
                "Metadata values can have up to 500 characters, but you passed in a value that is "
                f"{len(each)} characters. Invalid value: {each}",
                param=f"{at}[{name}]",
            )
    return value


def merge_metadata(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """The metadata after an update."""
    return {name: value for name, value in (old | new).items() if value}


ADDRESS = record({name: string() for name in ("city", "country", "line1", "line2", "postal_code", "state")})

SHIPPING = record(
    {
        "address": ADDRESS,
        "name": string(),
        "phone": string(),
        "carrier": string(),
        "tracking_number": string(),
    }
)

_BOUNDS = record({name: integer() for name in ("gt", "gte", "lt", "lte")})


def created(value: Any, at: str) -> Any:
    """A filter by time: one second, or its bounds."""
    if isinstance(value, str):
        second = integer()(value, at)
        return {"gte": second, "lte": second}
    return _BOUNDS(value, at)


LIST_FIELDS: Fields = {
    "limit": integer(1, 100),
    "starting_after": filled,
    "ending_before": filled,
    "created": created,
}
