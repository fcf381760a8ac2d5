"""Limits, and the keys of counters."""

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from webcommon.signing import sign

MEMORY = timedelta(days=1)
"""How long a block is remembered, which makes the next one longer."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `count` attempts in any period of length `window`.

    With `longest_block` the last of them starts a block of length `window`, and each further block is twice as long, up
    to that. Without it an attempt is possible again when the oldest one has left the window.
    """

    count: int
    window: timedelta
    longest_block: timedelta | None = None


class KeyMaker:
    """Keys of counters: HMAC-SHA256 under a key of the service, so that a dump of the table identifies nobody."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, kind: str, *parts: str) -> bytes:
        """The key of a counter. `kind` separates, for example, an account and a network of the same spelling."""
        text = "\x00".join((kind, *parts))
        return sign(text.encode("utf-8", "surrogatepass"), key=self._key)


def fold_login(login: str) -> str:
    """One spelling for all logins that find the same account, and for some that do not.

    The database compares without case, by rules that depend on its locale ("İ" may equal "i"). If two logins that it
    considers equal had two counters, each would allow a further set of guesses; so marks and compatibility forms are
    removed too.
    """
    decomposed = unicodedata.normalize("NFKD", login.strip()).casefold()
    return "".join(
        each for each in unicodedata.normalize("NFKD", decomposed) if not unicodedata.combining(each)
    )


def network_of(address: IPv4Address | IPv6Address) -> str:
    """The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address, which is one customer's."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return f"{address.ipv4_mapped}/32"
        return str(IPv6Network((int(address), 64), strict=False))
    return f"{address}/32"
