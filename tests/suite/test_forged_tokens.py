"""Every forged token is refused by all four services, over HTTP."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest_asyncio

from auth.main import create_app as create_auth
from auth.settings import Settings as AuthSettings
from dbcommon.settings import DatabaseSettings
from l2p.main import create_app as create_l2p
from l2p.settings import Settings as L2pSettings
from payment.main import create_app as create_payment
from payment.settings import Settings as PaymentSettings
from tests.clients import running
from tests.conftest import CopyDatabase
from tests.forgeries import bearer, forged_tokens
from tests.raw_tokens import GOOD_HEADER, encode, to_json
from tests.suite.stack import FIRST_PATHS
from tests.tokens import AUDIENCE, ISSUER, KEY_ID, TokenMint
from videovault.main import create_app as create_videovault
from videovault.settings import Settings as VideovaultSettings
from webcommon.app.service import Service
from webcommon.auth.bearer import Issuer, TokenVerifier
from webcommon.auth.jwks import JwksCache

SECRET = "s" * 32
FACTORIES: Mapping[str, Any] = {
    "auth": (create_auth, AuthSettings),
    "l2p": (create_l2p, L2pSettings),
    "payment": (create_payment, PaymentSettings),
    "videovault": (create_videovault, VideovaultSettings),
}

Clients = dict[str, tuple[Service, httpx.AsyncClient]]


@pytest_asyncio.fixture(scope="module")
async def services(copy_database: CopyDatabase, mint: TokenMint) -> AsyncIterator[Clients]:
    """All four services, accepting the tokens of the mint."""
    async with contextlib.AsyncExitStack() as stack:
        found: Clients = {}
        for name, (create_app, settings) in FACTORIES.items():
            database: DatabaseSettings = await copy_database(name)
            app = create_app(settings(database=database, secret=SECRET), issuers=[mint.issuer])
            found[name] = (app, await stack.enter_async_context(running(app)))
        yield found


async def ask(client: httpx.AsyncClient, service: str, token: str) -> httpx.Response:
    return await client.get(FIRST_PATHS[service], headers=bearer(token))


async def test_every_forged_token_is_refused_at_all_four(services: Clients, mint: TokenMint) -> None:
    forged = [
        *forged_tokens(mint),
        ("100 kB", f"{mint.token()}{'A' * 100_000}"),
        ("100 kB of header", f"{'A' * 100_000}.{mint.token().partition('.')[2]}"),
        ("NUL", f"{mint.token()}\x00"),
        ("NUL in front", f"\x00{mint.token()}"),
        ("half a surrogate pair", f"{mint.token()}\ud800"),
    ]
    assert len(forged) > 100
    taken = [
        (service, name, response.status_code)
        for service, (_, client) in services.items()
        for name, token in forged
        if (response := await ask(client, service, token)).status_code != 401
        or not response.headers["www-authenticate"].startswith("Bearer")
    ]
    assert taken == []


async def test_a_good_token_of_the_same_mint_is_verified_at_all_four(
    services: Clients, mint: TokenMint
) -> None:
    for service, (_, client) in services.items():
        response = await ask(client, service, mint.token())
        # Auth has no such session; this response shows that it verified the token.
        wanted = (401, "/problems/session-ended") if service == "auth" else (200, None)
        assert (response.status_code, response.json().get("type")) == wanted


async def test_a_refresh_token_is_refused_as_an_access_token(services: Clients) -> None:
    _, auth = services["auth"]
    body = {"email": "ada@example.com", "username": "ada", "password": "seven quiet harbours"}
    assert (await auth.post("/v1/auth/register", json=body)).status_code == 201
    login = {"login": "ada", "password": "seven quiet harbours"}
    answer = (await auth.post("/v1/auth/login", json=login)).json()
    for service, (_, client) in services.items():
        assert (await ask(client, service, answer["refresh_token"])).status_code == 401


async def test_three_hundred_unknown_keys_cost_one_fetch_in_ten_seconds(
    services: Clients, mint: TokenMint
) -> None:
    now, fetches = [1000.0], 0

    def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal fetches
        fetches += 1
        return httpx.Response(200, content=json.dumps({"keys": [mint.public_jwk | {"kid": KEY_ID}]}))

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    cache = JwksCache("http://auth/jwks", client=http, clock=lambda: now[0])
    app, client = services["payment"]
    before, app.verifier = (
        app.verifier,
        TokenVerifier(Issuer(issuer=ISSUER, audience=AUDIENCE, keys=cache)),
    )
    try:
        assert (await ask(client, "payment", mint.token())).status_code == 200
        claims = mint.claims()
        token = mint.sign(claims, headers={"kid": "unknown"})
        _, payload, signature = token.split(".")
        fetched = fetches
        now[0] += 11
        for number in range(300):
            header = encode(to_json(GOOD_HEADER | {"kid": f"unknown-{number}"}))
            response = await ask(client, "payment", f"{header}.{payload}.{signature}")
            assert response.status_code == 401
        assert fetches - fetched == 1
        now[0] += 11
        assert (await ask(client, "payment", token)).status_code == 401
        assert fetches - fetched == 2
    finally:
        app.verifier = before
        await http.aclose()
