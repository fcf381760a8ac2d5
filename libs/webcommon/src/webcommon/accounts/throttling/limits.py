"""What is counted, and how much of it is allowed."""

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from webcommon.signing import sign

MEMORY = timedelta(days=1)
"""So long after a block it is remembered that there was one, and the next one is longer."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `count` attempts in any stretch of `window`.

    With `longest_block` the last of them blocks for `window`, and each further time for twice as long, up to that.
    Without it nobody waits for longer than until the oldest attempt has left the window.
    """

    count: int
    window: timedelta
    longest_block: timedelta | None = None


class KeyMaker:
    """Keys of counters: HMAC-SHA256 under a key of the service, so that a dump of the table names nobody."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, kind: str, *parts: str) -> bytes:
        """The key of what `parts` name. `kind` keeps an account and a network of one spelling apart."""
        text = "\x00".join((kind, *parts))
        return sign(text.encode("utf-8", "surrogatepass"), key=self._key)


def fold_login(login: str) -> str:
    """One spelling for all that find the same account, and for some that do not.

    The database compares without case, by rules that depend on its locale ("İ" may be "i"). Were two of its equals two
    counters here, each would be a further set of guesses; so marks and compatibility forms go too.
    """
    decomposed = unicodedata.normalize("NFKD", login.strip()).casefold()
    return "".join(
        each for each in unicodedata.normalize("NFKD", decomposed) if not unicodedata.combining(each)
    )


def network_of(address: IPv4Address | IPv6Address) -> str:
    """The network that is counted as one: an IPv4 address alone, and the /64 of an IPv6 one, which is one customer's."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return f"{address.ipv4_mapped}/32"
        return str(IPv6Network((int(address), 64), strict=False))
    return f"{address}/32"
