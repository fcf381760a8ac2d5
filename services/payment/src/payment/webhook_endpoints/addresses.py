"""Which URLs and addresses webhooks may be sent to.

A server that sends to any URL can be used to reach what only it can reach (server-side request forgery). So the address
is checked where the connection is made, after the only resolution of the host: a check of the name alone could be
followed by another answer of its name server.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

LONGEST_URL = 2048
"""Characters."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_VISIBLE = re.compile(r"[!-~]+")
_NAME = re.compile(r"(?=.{1,254}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
# What `inet_aton` and browsers read as an IPv4 address ends in one of these.
_NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")

# IANA's special-purpose addresses that Python 3.11 takes for global, and IPv6's former site-local ones.
_MORE_RESERVED: tuple[Network, ...] = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("fec0::/10"),
)


class ForbiddenAddress(Exception):
    """The URL or address is not one that webhooks may be sent to; the text says why."""


@dataclass(frozen=True, kw_only=True)
class AddressPolicy:
    """`loopback`: whether this machine may be reached. `networks` may be reached although they are not public."""

    https_only: bool
    loopback: bool
    networks: tuple[Network, ...] = ()

    def check_url(self, text: str) -> httpx.URL:
        """The URL, of which a literal address is allowed, too. Raises `ForbiddenAddress`."""
        url = _parse(text)
        if self.https_only and url.scheme != "https":
            raise ForbiddenAddress("must be an https URL")
        address = literal_address(url.raw_host.decode("ascii"))
        if address is not None:
            self.check_address(address)
        return url

    def check_address(self, address: Address) -> None:
        """Raises `ForbiddenAddress` unless the address is public, of an allowed network, or an allowed loopback."""
        if any(address in network for network in self.networks):
            return
        if self.loopback and address.is_loopback:
            return
        if not _is_public(address):
            raise ForbiddenAddress(f"{address} is not an address of the public Internet")


def literal_address(host: str) -> Address | None:
    """The address that a host of a checked URL is; None for a name. Raises `ForbiddenAddress` for an address in a notation
    that programs read differently."""
    try:
        address = ip_address(host)
    except ValueError:
        if ":" in host or _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
            raise ForbiddenAddress("has an address in an unusual notation; write it as 192.0.2.1") from None
        return None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise ForbiddenAddress("has an address in an unusual notation; write an IPv4 address as 192.0.2.1")
    return address


def _parse(text: str) -> httpx.URL:
    if len(text) > LONGEST_URL or not _VISIBLE.fullmatch(text) or "\\" in text:
        raise ForbiddenAddress(f"must be a URL in ASCII of at most {LONGEST_URL} characters")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ForbiddenAddress("is not a URL") from None
    if url.scheme not in ("http", "https"):
        raise ForbiddenAddress("must be an http or https URL")
    if "@" in text.partition("//")[2].partition("/")[0]:
        raise ForbiddenAddress("must not contain a user or a password")
    if "#" in text:
        raise ForbiddenAddress("must not have a fragment")
    host = url.raw_host.decode("ascii")
    if not (_NAME.fullmatch(host) or ":" in host):
        raise ForbiddenAddress("has no valid host")
    if url.port is not None and not 0 < url.port < 65536:
        raise ForbiddenAddress("has no valid port")
    return url


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is not None:
            return _is_public(embedded)
    refused: Iterable[bool] = (
        not address.is_global,
        address.is_multicast,
        address.is_reserved,
        address.is_unspecified,
        any(address in network for network in _MORE_RESERVED),
    )
    return not any(refused)
