"""Which columns are never shown: secrets, hashes and tokens."""

from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Integer, LargeBinary, Numeric

_SECRET_WORDS = frozenset(
    {
        "challenge",
        "code",
        "credential",
        "fingerprint",
        "hash",
        "hmac",
        "key",
        "nonce",
        "otp",
        "password",
        "pin",
        "private",
        "salt",
        "sealed",
        "secret",
        "seed",
        "signature",
        "token",
        "verifier",
    }
)


def is_hidden(column: Column[Any]) -> bool:
    """Whether a column's values stay in the database.

    `info={"secret": True}` on the column, or False, decides. Without it, bytes are hidden, and what a word of the name says is
    a secret: a new column of that kind is hidden until somebody says otherwise.
    """
    marked = column.info.get("secret")
    return _looks_secret(column) if marked is None else bool(marked)


def _looks_secret(column: Column[Any]) -> bool:
    if isinstance(column.type, LargeBinary):
        return True
    if isinstance(column.type, Boolean | DateTime | Integer | Numeric):
        return False  # refresh_token_counter, token_expires_at
    return not _SECRET_WORDS.isdisjoint(column.name.split("_"))
