"""The verifier of access tokens: which tokens it accepts, and which it refuses."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends
from jose.backends.base import Key
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from tests.clients import running
from tests.forgeries import bearer, forged_tokens
from tests.raw_tokens import malleated, sign_text
from tests.tokens import AUDIENCE, ISSUER, KEY_ID, FixedKeys, TokenMint
from webcommon.app.service import Service
from webcommon.auth.bearer import Caller, CallerDep, Issuer, RequireRole, TokenRefused, TokenVerifier
from webcommon.auth.jwks import KeysUnavailable
from webcommon.settings import ServiceSettings

router = APIRouter()


@router.get("/v1/whoami", operation_id="read_caller")
async def read_caller(caller: CallerDep) -> dict[str, Any]:
    return {"id": caller.id, "roles": sorted(caller.roles), "email": caller.email}


@router.get("/v1/admin", operation_id="read_admin")
async def read_admin(caller: Annotated[Caller, Depends(RequireRole("admin", "editor"))]) -> dict[str, Any]:
    return {"id": caller.id}


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TINY_")
    service: ClassVar[str] = "tiny"
    port: int = 1


def build(*issuers: Issuer) -> Service:
    settings = Settings(secret=SecretStr("s" * 32))
    return Service(
        settings, version="0", title="Tiny", description="", routers=[router], database=None, issuers=issuers
    )


@pytest.fixture(scope="module")
async def client(mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    async with running(build(mint.issuer)) as started:
        yield started


def assert_unauthorized(response: httpx.Response, *, name: str) -> None:
    assert response.status_code == 401, f"{name}: {response.status_code} {response.text}"
    assert response.headers["www-authenticate"].startswith("Bearer"), name
    assert response.headers["content-type"] == "application/problem+json", name
    assert response.json()["type"] == "/problems/unauthorized", name


async def test_every_forgery_is_401(client: httpx.AsyncClient, mint: TokenMint) -> None:
    forgeries = forged_tokens(mint)
    assert len({name for name, _ in forgeries}) == len(forgeries) > 200
    wrongly = []
    for name, token in forgeries:
        response = await client.get("/v1/whoami", headers=bearer(token))
        if response.status_code != 401:
            wrongly.append(f"{name}: {response.status_code}")
        else:
            assert_unauthorized(response, name=name)
    assert wrongly == []


async def test_a_good_token_names_the_caller(client: httpx.AsyncClient, mint: TokenMint) -> None:
    # Without this the test above would pass on a service that refuses everybody.
    user = uuid4()
    token = mint.token(user_id=user, roles=("user", "admin"), email="a@example.com")
    response = await client.get("/v1/whoami", headers=bearer(token))
    assert response.status_code == 200
    assert response.json() == {"id": str(user), "roles": ["admin", "user"], "email": "a@example.com"}


async def test_a_token_signed_by_hand_is_good_too(client: httpx.AsyncClient, mint: TokenMint) -> None:
    # The signer behind the forgeries: what refuses them is not how they are written.
    plain = mint.token().split(".")
    header = b'{"alg":"ES256","typ":"at+jwt","kid":"test-key"}'
    payload = httpx.Response(200, json=mint.claims()).content
    token = sign_text(mint, header=header, payload=payload)
    assert len(token.split(".")[2]) == len(plain[2])
    assert (await client.get("/v1/whoami", headers=bearer(token))).status_code == 200


async def test_optional_claims_may_be_missing(client: httpx.AsyncClient, mint: TokenMint) -> None:
    token = mint.sign(mint.claims(email=None, username=None, email_verified=None, client_id=None, scope=None))
    response = await client.get("/v1/whoami", headers=bearer(token))
    assert (response.status_code, response.json()["email"]) == (200, None)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(
    client: httpx.AsyncClient, mint: TokenMint, scheme: str
) -> None:
    response = await client.get("/v1/whoami", headers={"Authorization": f"{scheme} {mint.token()}"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token x", "Bearer\tx", "Digest x", "Negotiate"]
)
async def test_a_header_without_a_bearer_token_is_401(client: httpx.AsyncClient, value: str) -> None:
    response = await client.get("/v1/whoami", headers={"Authorization": value})
    assert_unauthorized(response, name=value)
    # RFC 6750, section 3.1: who sent no token is told no error code.
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_refused_token_is_told_so(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/whoami", headers=bearer("x.y.z"))
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert "x.y.z" not in response.text


async def test_a_missing_role_is_403_and_any_of_the_named_ones_will_do(
    client: httpx.AsyncClient, mint: TokenMint
) -> None:
    refused = await client.get("/v1/admin", headers=mint.headers(roles=("user",)))
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    for role in ("admin", "editor"):
        assert (await client.get("/v1/admin", headers=mint.headers(roles=(role,)))).status_code == 200
    assert (await client.get("/v1/admin")).status_code == 401


async def test_the_other_valid_signature_makes_the_same_caller(
    client: httpx.AsyncClient, mint: TokenMint
) -> None:
    token = mint.token()
    other = malleated(token)
    assert other != token
    first, second = [(await client.get("/v1/whoami", headers=bearer(text))) for text in (token, other)]
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()


async def test_another_issuers_key_does_not_sign_for_this_one() -> None:
    ours, theirs = TokenMint(), TokenMint()
    other = Issuer(issuer="https://other.example", audience=AUDIENCE, keys=theirs.issuer.keys)
    verifier = TokenVerifier(ours.issuer, other)
    assert (await verifier.verify(theirs.token(iss="https://other.example"))).roles == {"user"}
    with pytest.raises(TokenRefused):
        await verifier.verify(theirs.token(iss=ISSUER))


class CountingKey(Key):
    """Counts how often it verifies."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self.verified = 0

    def verify(self, msg: bytes, sig: bytes) -> bool:
        self.verified += 1
        return bool(self._key.verify(msg, sig))


class Clock:
    """A clock that a test moves forward."""

    def __init__(self) -> None:
        self.later = 0.0

    def __call__(self) -> float:
        return time.time() + self.later


async def counting(mint: TokenMint, **changed: Any) -> tuple[TokenVerifier, dict[str, Key], CountingKey]:
    key = await mint.issuer.keys.find_key(KEY_ID)
    assert key is not None
    counted = CountingKey(key)
    keys: dict[str, Key] = {KEY_ID: counted}
    issuer = Issuer(issuer=ISSUER, audience=AUDIENCE, keys=FixedKeys(keys))
    return TokenVerifier(issuer, **changed), keys, counted


async def test_a_verified_token_is_remembered(mint: TokenMint) -> None:
    verifier, _, key = await counting(mint)
    token = mint.token()
    callers = {id(await verifier.verify(token)) for _ in range(10)}
    assert (len(callers), key.verified) == (1, 1)


async def test_a_remembered_token_ends_with_its_key(mint: TokenMint) -> None:
    verifier, keys, _ = await counting(mint)
    token = mint.token()
    await verifier.verify(token)
    keys["next"] = keys.pop(KEY_ID)
    for _ in range(2):
        with pytest.raises(TokenRefused):
            await verifier.verify(token)


async def test_a_remembered_token_ends_when_it_expires(mint: TokenMint) -> None:
    clock = Clock()
    verifier, _, _ = await counting(mint, clock=clock)
    token = mint.token(exp=int(time.time()) + 60)
    await verifier.verify(token)
    clock.later = 61
    for _ in range(2):
        with pytest.raises(TokenRefused):
            await verifier.verify(token)


async def test_a_refused_token_is_not_remembered(mint: TokenMint) -> None:
    verifier, _, key = await counting(mint)
    token = mint.token(aud="other")
    for _ in range(3):
        with pytest.raises(TokenRefused):
            await verifier.verify(token)
    assert key.verified == 3


async def test_memory_is_bounded_and_the_oldest_token_goes_first(mint: TokenMint) -> None:
    verifier, _, key = await counting(mint, remembered=3)
    tokens = [mint.token() for _ in range(4)]
    for token in tokens:
        await verifier.verify(token)
    for token in tokens[1:]:
        await verifier.verify(token)
    assert key.verified == 4
    await verifier.verify(tokens[0])
    assert key.verified == 5


async def test_text_that_no_header_could_carry_is_refused(mint: TokenMint) -> None:
    verifier = TokenVerifier(mint.issuer)
    for text in ("\ud800", mint.token() + "\udfff", "\x00", "a" * 8193, "é.é.é"):
        with pytest.raises(TokenRefused):
            await verifier.verify(text)


class AbsentKeys:
    """A key source whose first fetch has failed."""

    async def find_key(self, kid: str) -> Key | None:
        raise KeysUnavailable(kid)


async def test_without_any_key_yet_the_answer_is_503_and_not_401(mint: TokenMint) -> None:
    async with running(build(Issuer(issuer=ISSUER, audience=AUDIENCE, keys=AbsentKeys()))) as client:
        response = await client.get("/v1/whoami", headers=mint.headers())
    assert response.status_code == 503
    assert response.json()["type"] == "/problems/auth-unavailable"
    assert int(response.headers["retry-after"]) > 0


async def test_the_caller_has_what_the_token_says(mint: TokenMint) -> None:
    now = int(time.time())
    session = uuid4()
    token = mint.token(
        sid=str(session), auth_time=now - 100, exp=now + 60, username="ada", email_verified=True
    )
    caller = await TokenVerifier(mint.issuer).verify(token)
    assert isinstance(caller.id, UUID)
    assert (caller.session_id, caller.authenticated_at, caller.expires_at) == (session, now - 100, now + 60)
    assert (caller.username, caller.email_verified) == ("ada", True)


@pytest.mark.parametrize("value", ["true", 1, None, False])
async def test_an_email_is_verified_only_by_the_word_true(mint: TokenMint, value: Any) -> None:
    caller = await TokenVerifier(mint.issuer).verify(mint.sign(mint.claims(email_verified=value)))
    assert caller.email_verified is False
