"""The client's address. `X-Forwarded-For` counts only as far as trusted proxies wrote it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The settings import `parse_networks`, and importing the framework would delay the command by half a second.
    from fastapi.requests import HTTPConnection

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_NOWHERE = IPv4Address("0.0.0.0")  # noqa: S104 - an address to compare with, not to listen on
_MOST_HOPS = 20


def parse_networks(text: str) -> tuple[IPNetwork, ...]:
    """The networks of a comma separated list of addresses and CIDR ranges. Raises `ValueError` that names the wrong one."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_address(connection: "HTTPConnection", trusted: Sequence[IPNetwork]) -> IPAddress:
    """The address of the client: the peer, or the address that trusted proxies forward.

    `X-Forwarded-For` is read from its end, where each proxy appends its peer: the first address that is not a trusted
    proxy is the client; anything before it is the client's own claim. 0.0.0.0 for a peer without an address.
    """
    address = _parse(connection.client.host) if connection.client is not None else None
    if address is None:
        return _NOWHERE
    hops = [hop for line in connection.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    for hop in reversed(hops[-_MOST_HOPS:]):
        if not _is_in(address, trusted):
            break
        claimed = _parse(hop.strip())
        if claimed is None:
            break
        address = claimed
    return address


def _is_in(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _parse(text: str) -> IPAddress | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A listener for both families shows an IPv4 peer as ::ffff:192.0.2.1.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
