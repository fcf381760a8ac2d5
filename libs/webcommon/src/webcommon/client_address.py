"""Where a request comes from. What it says about that itself is believed only as far as trusted proxies vouch for it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The settings read `parse_networks`, and the command would wait half a second for the framework.
    from fastapi.requests import HTTPConnection

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_NOWHERE = IPv4Address("0.0.0.0")  # noqa: S104 - an address to compare with, not to listen on
_MOST_HOPS = 20


def parse_networks(text: str) -> tuple[IPNetwork, ...]:
    """The networks of a comma separated list of addresses and CIDR ranges. Raises `ValueError` naming what is neither."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_address(connection: "HTTPConnection", trusted: Sequence[IPNetwork]) -> IPAddress:
    """The address of the client: the peer, or what the nearest proxies in `trusted` say of theirs.

    `X-Forwarded-For` is read from its end, where each proxy appends whom it heard: the first address that is no trusted
    proxy is the client, and everything before it is the client's own claim. 0.0.0.0 for a peer without an address.
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
