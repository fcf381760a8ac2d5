"""Auth's public keys: fetched once, kept while Auth is unreachable, fetched again at most every ten seconds."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk

from tests.clients import certificates
from tests.tokens import AUDIENCE, ISSUER, KEY_ID, TokenMint
from webcommon.auth.bearer import Issuer, TokenRefused, TokenVerifier
from webcommon.auth.jwks import FRESH_SECONDS, REFETCH_SECONDS, JwksCache, KeysUnavailable, build_keys


class KeyServer:
    """An HTTP server of a few lines on 127.0.0.1 that counts its requests and says what it is told to say."""

    def __init__(self) -> None:
        self.requests = 0
        self.body = b""
        self.status = 200
        self.drip = False
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/.well-known/jwks.json"

    def publish(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            head = f"HTTP/1.1 {self.status} X\r\nConnection: close\r\nLocation: /elsewhere\r\n"
            writer.write(head.encode() + f"Content-Length: {len(self.body)}\r\n\r\n".encode())
            if self.drip:
                for byte in self.body:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.5)
            else:
                writer.write(self.body)
                await writer.drain()
        writer.close()


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def key_server(mint: TokenMint) -> AsyncIterator[KeyServer]:
    server = KeyServer()
    server.publish(published(mint))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cache(key_server: KeyServer, clock: Clock) -> AsyncIterator[JwksCache]:
    async with httpx.AsyncClient(verify=certificates()) as client:
        yield JwksCache(key_server.url, client=client, clock=clock)


def published(mint: TokenMint, *, kid: str = KEY_ID) -> dict[str, Any]:
    return {**mint.public_jwk, "kid": kid, "use": "sig", "alg": "ES256"}


async def test_a_known_key_is_fetched_once(cache: JwksCache, key_server: KeyServer) -> None:
    found = await asyncio.gather(*(cache.find_key(KEY_ID) for _ in range(200)))
    assert all(found)
    assert key_server.requests == 1


async def test_ten_thousand_unknown_ids_make_one_fetch(
    cache: JwksCache, key_server: KeyServer, clock: Clock
) -> None:
    assert await cache.find_key(KEY_ID)
    clock.now += REFETCH_SECONDS
    found = await asyncio.gather(*(cache.find_key(f"unknown-{number}") for number in range(10_000)))
    assert not any(found)
    assert key_server.requests == 2
    clock.now += REFETCH_SECONDS - 0.1
    assert await cache.find_key("unknown") is None
    assert key_server.requests == 2
    clock.now += 0.2
    assert await cache.find_key("unknown") is None
    assert key_server.requests == 3


async def test_a_new_key_is_found_by_its_first_token(
    cache: JwksCache, key_server: KeyServer, clock: Clock, mint: TokenMint
) -> None:
    assert await cache.find_key(KEY_ID)
    key_server.publish(published(mint), published(TokenMint(), kid="next"))
    clock.now += REFETCH_SECONDS
    assert await cache.find_key("next")
    assert await cache.find_key(KEY_ID)
    assert key_server.requests == 2


async def test_a_withdrawn_key_is_forgotten_with_the_next_fetch(
    cache: JwksCache, key_server: KeyServer, clock: Clock
) -> None:
    assert await cache.find_key(KEY_ID)
    key_server.publish(published(TokenMint(), kid="next"))
    clock.now += REFETCH_SECONDS
    assert await cache.find_key("next")
    assert await cache.find_key(KEY_ID) is None


async def test_a_withdrawn_key_is_forgotten_though_nobody_calls(key_server: KeyServer, clock: Clock) -> None:
    async with httpx.AsyncClient(verify=certificates()) as client:
        cache = JwksCache(key_server.url, client=client, clock=clock, fresh_seconds=0.05)
        async with cache.running():
            assert await cache.find_key(KEY_ID)
            key_server.publish(published(TokenMint(), kid="next"))
            clock.now += REFETCH_SECONDS
            started = time.monotonic()
            while key_server.requests < 2 or await cache.find_key("next") is None:
                assert time.monotonic() - started < 60
                await asyncio.sleep(0.01)
            assert await cache.find_key(KEY_ID) is None
            assert key_server.requests == 2


async def test_old_keys_are_used_at_once_and_refreshed_in_the_background(
    cache: JwksCache, key_server: KeyServer, clock: Clock
) -> None:
    assert await cache.find_key(KEY_ID)
    key_server.publish(published(TokenMint(), kid="next"))
    clock.now += FRESH_SECONDS + 1
    assert await cache.find_key(KEY_ID)
    await cache.refresh()
    assert await cache.find_key(KEY_ID) is None
    assert key_server.requests == 2


async def test_the_keys_stay_in_use_while_auth_is_away(
    cache: JwksCache, key_server: KeyServer, clock: Clock
) -> None:
    assert await cache.find_key(KEY_ID)
    await key_server.stop()
    for _ in range(5):
        clock.now += FRESH_SECONDS * 10
        assert await cache.find_key(KEY_ID)
        assert await cache.find_key("unknown") is None
    key_server.publish(published(TokenMint(), kid="next"))
    await key_server.start()
    clock.now += REFETCH_SECONDS
    assert await cache.find_key("next")


async def test_a_service_that_starts_before_auth_says_so_and_recovers(
    cache: JwksCache, key_server: KeyServer, clock: Clock
) -> None:
    await key_server.stop()
    with pytest.raises(KeysUnavailable):
        await cache.find_key(KEY_ID)
    await key_server.start()
    # With no key at all nothing can be served, so ten seconds would be long.
    clock.now += 1
    assert await cache.find_key(KEY_ID)


async def test_a_waiting_caller_that_leaves_does_not_end_the_others_fetch(
    cache: JwksCache, key_server: KeyServer
) -> None:
    leaving = asyncio.create_task(cache.find_key(KEY_ID))
    staying = asyncio.create_task(cache.find_key(KEY_ID))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert key_server.requests == 1


async def test_a_token_is_verified_with_the_fetched_key(cache: JwksCache, mint: TokenMint) -> None:
    verifier = TokenVerifier(Issuer(issuer=ISSUER, audience=AUDIENCE, keys=cache))
    assert (await verifier.verify(mint.token())).roles == {"user"}
    stranger = TokenMint()
    with pytest.raises(TokenRefused):
        await verifier.verify(stranger.token())


HOSTILE = {
    "nothing": b"",
    "HTML": b"<html>",
    "not UTF-8": b"\xff\xfe\x00",
    "cut off": b'{"keys": [',
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "no keys": b"{}",
    "null keys": b'{"keys": null}',
    "keys as an object": b'{"keys": {"a": 1}}',
    "keys as a text": b'{"keys": "abc"}',
    "deep": b'{"keys": ' + b"[" * 100_000,
    "deep and closed": b'{"keys": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "huge": b'{"keys": [' + b" " * 10_000_000 + b"]}",
    "many": json.dumps({"keys": [{"kty": "EC"}] * 10_000}).encode(),
    "a huge number": b'{"keys": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_document_changes_nothing(
    cache: JwksCache, key_server: KeyServer, clock: Clock, name: str
) -> None:
    assert await cache.find_key(KEY_ID)
    key_server.body = HOSTILE[name]
    clock.now += REFETCH_SECONDS
    assert await cache.find_key("unknown") is None
    assert await cache.find_key(KEY_ID)
    assert key_server.requests == 2


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_first_document_is_no_key(cache: JwksCache, key_server: KeyServer, name: str) -> None:
    key_server.body = HOSTILE[name]
    with pytest.raises(KeysUnavailable):
        await cache.find_key(KEY_ID)


@pytest.mark.parametrize("status", [204, 301, 302, 401, 404, 429, 500, 503])
async def test_an_answer_other_than_200_changes_nothing(
    cache: JwksCache, key_server: KeyServer, clock: Clock, status: int
) -> None:
    assert await cache.find_key(KEY_ID)
    key_server.status = status
    key_server.publish(published(TokenMint(), kid="next"))
    clock.now += REFETCH_SECONDS
    assert await cache.find_key("next") is None
    assert await cache.find_key(KEY_ID)
    # A redirect is not followed: it could lead anywhere.
    assert key_server.requests == 2


async def test_a_slow_server_is_given_up(key_server: KeyServer) -> None:
    key_server.drip = True
    async with httpx.AsyncClient(verify=certificates()) as client:
        cache = JwksCache(key_server.url, client=client, fetch_seconds=0.2)
        async with asyncio.timeout(60):
            with pytest.raises(KeysUnavailable):
                await cache.find_key(KEY_ID)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://[", "nonsense", "http://no-such-host.invalid/", ""]
)
async def test_an_unreachable_address_gives_no_key(url: str) -> None:
    async with httpx.AsyncClient(verify=certificates()) as client:
        with pytest.raises(KeysUnavailable):
            await JwksCache(url, client=client).find_key(KEY_ID)


def changed(mint: TokenMint, **members: Any) -> dict[str, Any]:
    return published(mint) | members


def test_unusable_entries_are_left_out_and_the_good_one_stays(mint: TokenMint) -> None:
    good = published(mint)
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key()
    pem = p384.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    other_curve = jwk.construct(pem.decode(), algorithm="ES384").to_dict()
    unusable: list[Any] = [
        *(None, 1, "key", [], [good], {}),
        {name: value for name, value in changed(mint, kid="a").items() if name != "x"},
        changed(mint, kid="b", x="AAAA"),
        changed(mint, kid="c", x=good["y"], y=good["x"]),
        changed(mint, kid="d", x=1),
        changed(mint, kid="e", x=None),
        changed(mint, kid="f", x="é" * 43),
        changed(mint, kid="g", x="!" * 10_000),
        changed(mint, kid="h", crv="P-384"),
        changed(mint, kid="i", use="enc"),
        changed(mint, kid="j", alg="ES384"),
        changed(mint, kid="k", alg="none"),
        changed(mint, kid="l", kty="oct", k="c2VjcmV0"),
        changed(mint, kid="m", kty="RSA", n="AQAB", e="AQAB"),
        {**other_curve, "kid": "n", "use": "sig"},
        changed(mint, kid=None),
        changed(mint, kid=7),
        changed(mint, kid=["o"]),
    ]
    assert set(build_keys({"keys": [*unusable, good, *unusable]})) == {KEY_ID}


def test_use_and_alg_may_be_missing(mint: TokenMint) -> None:
    entry = {name: value for name, value in published(mint).items() if name not in ("use", "alg")}
    assert set(build_keys({"keys": [entry]})) == {KEY_ID}


def test_a_private_member_makes_no_signing_key(mint: TokenMint) -> None:
    (key,) = build_keys({"keys": [changed(mint, d="c2VjcmV0")]}).values()
    assert "d" not in key.to_dict()
