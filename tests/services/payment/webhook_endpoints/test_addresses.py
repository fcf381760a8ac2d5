"""Nothing is sent to an address that is not public: not by name, not by notation, not by a second answer of its name
server, not by a redirect."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from dbcommon.settings import DatabaseSettings
from payment.settings import Settings
from payment.webhook_endpoints.addresses import Address, AddressPolicy, ForbiddenAddress
from payment.webhook_endpoints.setup import make_policy
from tests.services.payment.shop import pointers, problem
from tests.services.payment.webhook_endpoints.receiver import Hooks, answer, receiving, resolving

PRODUCTION = AddressPolicy(https_only=True, loopback=False)
DEVELOPMENT = AddressPolicy(https_only=False, loopback=True)
LOOPBACK = ip_network("127.0.0.0/8")

NOT_PUBLIC = [
    *("0.0.0.1", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
    *("192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *(
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
    ),
    *("fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "2002:7f00:1::1", "100::1"),
    *("2001::1", "::ffff:127.0.0.1"),
]

UNUSUAL = [
    *("2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.1."),
    *("08.8.8.8", "8.8.8.08", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1%25eth0]", "1.2.3.4.5"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_in_production(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        PRODUCTION.check_address(ip_address(address))
    if not ip_address(address).is_loopback:
        with pytest.raises(ForbiddenAddress):
            DEVELOPMENT.check_address(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_a_public_address_is_allowed(address: str) -> None:
    PRODUCTION.check_address(ip_address(address))


def test_a_network_of_the_settings_and_development_allow_more() -> None:
    DEVELOPMENT.check_address(ip_address("127.0.0.1"))
    DEVELOPMENT.check_address(ip_address("::1"))
    allowing = replace(PRODUCTION, networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    allowing.check_address(ip_address("10.1.2.3"))
    allowing.check_address(ip_address("fd00::5"))
    with pytest.raises(ForbiddenAddress):
        allowing.check_address(ip_address("10.2.0.1"))


@pytest.mark.parametrize("host", UNUSUAL)
@pytest.mark.parametrize("policy", [PRODUCTION, DEVELOPMENT], ids=["production", "development"])
def test_an_unusual_notation_of_an_address_is_refused_everywhere(policy: AddressPolicy, host: str) -> None:
    with pytest.raises(ForbiddenAddress):
        policy.check_url(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://example.com/",
            "https:///path",
            "https://",
            "example.com",
            "//example.com",
            "javascript:alert(1)",
        ),
        *(
            "https://user:pass@example.com/",
            "https://user@example.com/",
            "https://@example.com/",
            "https://:@a/",
        ),
        *(
            "https://example.com/#part",
            "https://example.com/#",
            "https://exa mple.com/",
            "https://example.com\\@a/",
        ),
        *(
            "https://exämple.com/",
            "https://example.com/ä",
            "https://example.com:99999/",
            "https://example.com:x/",
        ),
        *("https://example.com/\r\nX: y", "https://a..b/", "https://%31%32%37.0.0.1/", "https://[::1/"),
        f"https://example.com/{'a' * 2048}",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 130}example/",
    ],
)
def test_what_is_no_plain_url_is_refused_everywhere(url: str) -> None:
    for policy in (PRODUCTION, DEVELOPMENT):
        with pytest.raises(ForbiddenAddress):
            policy.check_url(url)


def test_production_wants_https() -> None:
    with pytest.raises(ForbiddenAddress, match="https"):
        PRODUCTION.check_url("http://example.com/")
    for url in (
        "https://example.com/hooks?a=b",
        "https://xn--exmple-cua.com:8443/",
        "https://8.8.8.8/",
        "https://1.example.com.",
        "https://[2606:2800:220:1::1]/",
        "HTTPS://EXAMPLE.com",
    ):
        assert PRODUCTION.check_url(url).scheme == "https"
    assert DEVELOPMENT.check_url("http://example.com/").scheme == "http"


def test_the_policy_follows_the_settings(database_settings: DatabaseSettings) -> None:
    settings = Settings(
        database=database_settings, secret=SecretStr("s" * 32), delivery_networks="10.1.0.0/16, fd00::/8"
    )
    networks = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert make_policy(settings) == replace(DEVELOPMENT, networks=networks)
    production = settings.model_copy(update={"environment": "production"})
    assert make_policy(production) == replace(PRODUCTION, networks=networks)
    with pytest.raises(ValueError, match="has host bits set"):
        Settings(database=database_settings, secret=SecretStr("s" * 32), delivery_networks="10.1.0.1/16")


@pytest.mark.parametrize(
    "url",
    [
        *("http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://a:b@example.com/", "https://10.0.0.1/"),
        *("http://169.254.169.254/latest/meta-data", "http://0x7f.1/", "https://example.com/#a"),
    ],
)
async def test_a_forbidden_url_is_refused_when_it_is_given(hooks: Hooks, url: str) -> None:
    refused = await hooks.call("POST", json={"url": url})
    assert problem(refused) == (422, "invalid-request")
    assert pointers(refused) == ["#/url"]
    endpoint = await hooks.subscribe("https://example.com/")
    changed = await hooks.call("PATCH", f"/{endpoint['id']}", json={"url": url})
    assert problem(changed) == (422, "invalid-request")
    assert pointers(changed) == ["#/url"]


async def test_a_host_that_resolves_to_a_private_address_at_delivery_is_never_connected(hooks: Hooks) -> None:
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(f"https://hooks.example:{receiver.port}/")
        await hooks.append(await hooks.order())
        asked: list[str] = []
        for addresses in (["127.0.0.1"], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]):
            resolver = resolving(*map(ip_address, addresses), asked=asked)
            await hooks.make_due()
            await hooks.deliver(hooks.worker(policy=PRODUCTION, resolver=resolver))
            delivery = await hooks.delivery(endpoint)
            assert (delivery["status"], delivery["response_status"]) == ("pending", None)
            assert "is not an address of the public Internet" in delivery["error"]
        assert asked == ["hooks.example"] * 4
        assert receiver.connections == 0


async def test_a_url_of_before_is_refused_at_delivery_in_production(hooks: Hooks) -> None:
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await hooks.deliver(hooks.worker(policy=PRODUCTION))
        assert receiver.connections == 0
    assert (await hooks.delivery(endpoint))["error"] == "refused: must be an https URL"


async def test_a_redirect_is_a_failure_and_not_followed(hooks: Hooks) -> None:
    async with receiving() as inside, receiving() as receiver:
        receiver.answers = [answer(status, Location=inside.url) for status in (301, 302, 303, 307, 308)]
        endpoint = await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        for status in (301, 302, 303, 307, 308):
            await hooks.make_due()
            await hooks.deliver()
            delivery = await hooks.delivery(endpoint)
            assert (delivery["status"], delivery["response_status"]) == ("pending", status)
        assert (inside.connections, receiver.connections) == (0, 5)


async def test_a_proxy_of_the_environment_is_not_used(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        await hooks.deliver()
        assert (proxy.connections, receiver.connections) == (0, 1)


async def test_a_connection_goes_to_the_checked_address_with_the_hosts_name_and_certificate(
    hooks: Hooks, tmp_path: Path
) -> None:
    server, trusting = _contexts(tmp_path, "hooks.example")
    policy = replace(PRODUCTION, networks=(LOOPBACK,))
    async with receiving(tls=server) as receiver:
        endpoint = await hooks.subscribe(f"https://hooks.example:{receiver.port}/a")
        wrong = await hooks.subscribe(f"https://other.example:{receiver.port}/a")
        await hooks.append(await hooks.order())
        asked: list[str] = []
        # The first address refuses connections: the second one is tried.
        resolver = resolving(ip_address("127.0.0.2"), ip_address("127.0.0.1"), asked=asked)
        await hooks.deliver(hooks.worker(policy=policy, resolver=resolver, tls=trusting))
        (request,) = receiver.received
        assert request.header("host") == f"hooks.example:{receiver.port}"
        assert sorted(asked) == ["hooks.example", "other.example"]
        assert (await hooks.delivery(endpoint))["status"] == "delivered"
        assert "certificate" in (await hooks.delivery(wrong))["error"]


def _contexts(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server with a certificate for `name`, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=pem)


async def test_a_host_without_an_address_is_a_failure_that_says_so(hooks: Hooks) -> None:
    endpoint = await hooks.subscribe("https://hooks.example/")
    await hooks.append(await hooks.order())
    await hooks.deliver(hooks.worker(policy=PRODUCTION, resolver=resolving()))
    assert "no address" in (await hooks.delivery(endpoint))["error"]


async def test_an_error_that_nobody_thought_of_is_a_failure_like_others(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(host: str, port: int) -> list[Address]:
        raise UnicodeError("label too long")

    endpoint = await hooks.subscribe("https://hooks.example/")
    await hooks.append(await hooks.order())
    await hooks.deliver(hooks.worker(policy=PRODUCTION, resolver=broken))
    delivery = await hooks.delivery(endpoint)
    assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("pending", 1, "UnicodeError")
    assert (await hooks.look(endpoint))["first_failure_at"] is not None
    assert "could not be sent" in caplog.text


def test_the_url_that_is_connected_is_the_one_that_was_checked() -> None:
    """One parser reads it at both times."""
    url = PRODUCTION.check_url("https://example.com:8443/a/../b;c?d=%20")
    assert isinstance(url, httpx.URL)
    assert (url.raw_host, url.port, url.raw_path) == (b"example.com", 8443, b"/b;c?d=%20")
