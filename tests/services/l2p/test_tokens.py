"""The access tokens of Learn2Play, and their key."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from dbcommon.settings_error import SettingsError
from l2p.main import create_app
from l2p.settings import Settings
from l2p.tokens import AUDIENCE, TokenSigner
from tests.clients import running
from tests.tokens import KEY_ID, TokenMint
from webcommon.auth.bearer import Issuer, TokenRefused, TokenVerifier

ISSUER = "http://localhost:3001"


def signer(secret: str = "s" * 32, *, lifetime: int = 600) -> TokenSigner:
    return TokenSigner(secret, issuer=ISSUER, lifetime=lifetime)


def decode(token: str, *, segment: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[segment] + "=="))
    return content


async def test_a_token_is_accepted_by_the_service_that_signed_it() -> None:
    user_id = uuid4()
    token = signer().sign(user_id=user_id, email="ada@example.com", username="ada")
    caller = await TokenVerifier(signer().issuer).verify(token.text)
    assert (caller.id, caller.email, caller.username) == (user_id, "ada@example.com", "ada")
    assert token.expires_in == 600
    assert abs(caller.expires_at - time.time() - 600) < 60


async def test_the_key_depends_on_the_secret_alone() -> None:
    token = signer().sign(user_id=uuid4(), email="ada@example.com", username="ada").text
    kid = decode(token, segment=0)["kid"]
    assert await signer().find_key(kid) is not None
    assert await signer("t" * 32).find_key(kid) is None
    with pytest.raises(TokenRefused):
        await TokenVerifier(signer("t" * 32).issuer).verify(token)


async def test_the_key_of_a_secret_never_changes() -> None:
    token = signer().sign(user_id=uuid4(), email="ada@example.com", username="ada").text
    assert decode(token, segment=0) == {
        "alg": "ES256",
        "typ": "at+jwt",
        "kid": "x5vu4x5o2lSsr0FGBZoNBmxYp-6WqpcHVt5bfW5TZRU",
    }


async def test_other_services_refuse_a_token_of_learn2play(mint: TokenMint) -> None:
    token = signer().sign(user_id=uuid4(), email="ada@example.com", username="ada").text
    with pytest.raises(TokenRefused):
        await TokenVerifier(mint.issuer).verify(token)
    # Not even with this service's keys as Auth's, since the audience differs too.
    trusting = Issuer(issuer=ISSUER, audience=mint.issuer.audience, keys=signer())
    with pytest.raises(TokenRefused):
        await TokenVerifier(trusting).verify(token)


@contextlib.asynccontextmanager
async def publish(document: dict[str, Any]) -> AsyncIterator[str]:
    """Serve a JSON document on loopback, as Auth serves its keys; yields the URL."""
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/.well-known/jwks.json"


async def test_auths_tokens_are_verified_with_the_keys_that_auth_publishes(
    settings: Settings, mint: TokenMint
) -> None:
    key = mint.public_jwk | {"kid": KEY_ID, "use": "sig"}
    async with publish({"keys": [key]}) as url:
        following_auth = settings.model_copy(update={"auth_jwks_url": url})
        async with running(create_app(following_auth)) as client:
            answer = await client.get("/v1/users/me", headers=mint.headers(username="from-auth"))
            assert (answer.status_code, answer.json()["username"]) == (200, "from-auth")
            forged = TokenMint().headers(username="from-elsewhere")
            assert (await client.get("/v1/users/me", headers=forged)).status_code == 401


async def test_no_two_tokens_share_a_session_or_an_id() -> None:
    user_id = uuid4()
    claims = [
        decode(signer().sign(user_id=user_id, email="a@example.com", username="ada").text, segment=1)
        for _ in range(2)
    ]
    assert claims[0]["aud"] == claims[1]["aud"] == AUDIENCE
    assert claims[0]["jti"] != claims[1]["jti"]
    assert claims[0]["sid"] != claims[1]["sid"]


def test_the_issuer_of_auth_is_refused_as_its_own() -> None:
    environ = {
        "L2P_DB_PASSWORD": "p",
        "L2P_SECRET": "s" * 32,
        "L2P_ISSUER": "https://quiz.example.com",
        "AUTH_ISSUER": "https://auth.example.com",
    }
    assert Settings.from_environment(environ).issuer == "https://quiz.example.com"
    with pytest.raises(SettingsError, match="L2P_ISSUER: must differ from AUTH_ISSUER"):
        Settings.from_environment(environ | {"L2P_ISSUER": "https://auth.example.com"})


def test_production_refuses_an_issuer_that_is_not_https() -> None:
    issuer = "http://quiz.example.com"
    environ = {
        "L2P_DB_PASSWORD": "correct horse battery",
        "L2P_SECRET": "correct horse battery staple 0123456789",
        "L2P_ISSUER": issuer,
        "AUTH_ISSUER": "https://auth.example.com",
    }
    assert Settings.from_environment(environ).issuer == issuer
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(environ | {"QUARTET_ENV": "production"})
    assert str(refused.value) == (
        f"L2P_ISSUER: production needs https, unlike {issuer!r}; give a URL that browsers reach by TLS"
    )
