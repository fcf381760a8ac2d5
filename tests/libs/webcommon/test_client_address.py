"""The client address by which a request is counted and logged."""

from ipaddress import ip_address

import pytest
from starlette.requests import Request

from webcommon.client_address import client_address, parse_networks

PROXIES = parse_networks("10.0.0.0/8, 2001:db8::/32")


def request(peer: str | None, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    client = None if peer is None else (peer, 1)
    return Request({"type": "http", "headers": headers, "client": client})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.9",), "192.0.2.1"),
        ("10.0.0.1", ("198.51.100.9",), "198.51.100.9"),
        ("10.0.0.1", ("203.0.113.5, 198.51.100.9",), "198.51.100.9"),
        ("10.0.0.1", ("203.0.113.5", "198.51.100.9, 10.0.0.2"), "198.51.100.9"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("10.0.0.1", ("nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.9, nonsense, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", (", ".join(["10.0.0.2"] * 10_000),), "10.0.0.2"),
        ("::ffff:192.0.2.1", (), "192.0.2.1"),
        ("::ffff:10.0.0.1", ("2001:db9::1",), "2001:db9::1"),
        ("2001:db8::1", ("198.51.100.9",), "198.51.100.9"),
        ("fe80::1%eth0", (), "fe80::1"),
        (None, ("198.51.100.9",), "0.0.0.0"),  # noqa: S104 - an address to compare with
        ("a unix socket", ("198.51.100.9",), "0.0.0.0"),  # noqa: S104 - the same
    ],
)
def test_only_trusted_proxies_are_believed(peer: str | None, forwarded: tuple[str, ...], client: str) -> None:
    assert client_address(request(peer, *forwarded), PROXIES) == ip_address(client)


def test_nobody_is_trusted_by_default() -> None:
    assert parse_networks("") == ()
    assert client_address(request("127.0.0.1", "198.51.100.9"), ()) == ip_address("127.0.0.1")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "10.0.0.1/8", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_networks(text)
