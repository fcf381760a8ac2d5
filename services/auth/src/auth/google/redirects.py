"""Where a sign-in may lead back to: nowhere that the operator has not named."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

LONGEST_REDIRECT = 2048

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Of every redirect on the way there and back."""

_ADDRESS = re.compile(
    r"https?://[a-z0-9.\-]+(:\d{1,5})?([/?][^\s\\#]*)?|https?://\[[0-9a-f:]+\](:\d{1,5})?([/?][^\s\\#]*)?"
)
_ANSWERS = frozenset({"code", "error"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_address(text: str) -> bool:
    """Whether the text is a web address that every program reads alike: printable ASCII, the host in lower case, nobody's
    name before it, and no fragment."""
    return (
        len(text) <= LONGEST_REDIRECT
        and text.isascii()
        and text.isprintable()
        and _ADDRESS.fullmatch(text) is not None
    )


def is_loopback(text: str) -> bool:
    """Whether an address is on the reader's own machine."""
    return urlsplit(text).hostname in _LOOPBACK


def is_allowed(text: str, *, allowed: Sequence[str], allow_loopback: bool) -> bool:
    """Whether people may be sent to this address: it is one of `allowed`, or its origin is."""
    if not is_address(text):
        return False
    parts = urlsplit(text)
    if any(name in _ANSWERS for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return False
    if allow_loopback and is_loopback(text):
        return True
    return text in allowed or f"{parts.scheme}://{parts.netloc}" in allowed


def add_answer(redirect_to: str, **answer: str) -> str:
    """The address with the answer in its query."""
    return f"{redirect_to}{'&' if '?' in redirect_to else '?'}{urlencode(answer)}"
