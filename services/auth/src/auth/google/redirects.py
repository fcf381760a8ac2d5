"""Redirects to apps: only to addresses that the operator allows."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

from auth.settings.google import is_address, is_loopback

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Headers of every redirect to Google and back."""

_ANSWERS = frozenset({"code", "error"})


def is_allowed(text: str, *, allowed: Sequence[str], allow_loopback: bool) -> bool:
    """Whether a redirect to this address is allowed: it, or its origin, is one of `allowed`."""
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
