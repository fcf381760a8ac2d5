"""Idempotency keys (API reference, "Idempotent requests"): stored for 24 hours of the account's clock."""

from dataclasses import dataclass

from standins.stripe.errors import StripeError

LIFETIME = 86_400
LONGEST_KEY = 255


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as it was sent first."""

    status: int
    body: bytes
    request_id: str


@dataclass(kw_only=True)
class Entry:
    """A key that was used. `answer` is None while the first call runs."""

    path: str
    params: str
    used_at: float
    answer: Answer | None = None


class IdempotencyKeys:
    """The keys of an account."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def begin(self, key: str, *, path: str, params: str, now: float) -> Answer | None:
        """The stored answer of a key, or None when the call is to run. Raises `StripeError`."""
        if len(key) > LONGEST_KEY:
            raise StripeError(
                f"Keys for idempotent requests can be at most {LONGEST_KEY} characters long.",
                type="idempotency_error",
            )
        self.prune(older_than=now - LIFETIME)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = Entry(path=path, params=params, used_at=now)
            return None
        if entry.path != path:
            raise _other(key, f"for the same endpoint they were first used for ('{entry.path}' vs '{path}')")
        if entry.params != params:
            raise _other(key, "with the same parameters they were first used with")
        if entry.answer is None:
            raise key_in_use()
        return entry.answer

    def finish(self, key: str, answer: Answer | None) -> None:
        """Store the answer of a call that has run; with None the key is as if it had not been used."""
        if answer is None:
            self._entries.pop(key, None)
        elif key in self._entries:
            self._entries[key].answer = answer

    def prune(self, *, older_than: float) -> None:
        """Forget keys that were first used before."""
        while self._entries:
            key, oldest = next(iter(self._entries.items()))
            if oldest.used_at >= older_than:
                break
            del self._entries[key]


def key_in_use() -> StripeError:
    """The first call with this key still runs."""
    return StripeError(
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        "twice, and the other request is still going through). Please try again later.",
        status=409,
        type="idempotency_error",
        code="idempotency_key_in_use",
    )


def _other(key: str, words: str) -> StripeError:
    return StripeError(
        f"Keys for idempotent requests can only be used {words}. Try using a key other than '{key}' if you meant to "
        "execute a different request.",
        type="idempotency_error",
    )
