"""Signing keys and their publication."""

import asyncio
import contextlib
import time
from typing import Any

import httpx
from jose import jwk, jws
from jose import jwt as jose_jwt
from pydantic import SecretStr
from sqlalchemy import event

from auth.keys.material import load_private_key, make_key_pair, sign_claims
from auth.main import create_app
from auth.settings import Settings
from dbcommon.engine import Database
from dbcommon.migrations import upgrade
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.servers import TestServer
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, new_person, register
from tests.services.auth.conftest import NewDatabase
from webcommon.app.service import Service


def app_with_secret(database: AuthDatabase, letter: str) -> Service:
    return create_app(Settings(database=database.settings, secret=SecretStr(letter * 32)))


async def read_keys(client: httpx.AsyncClient) -> list[dict[str, str]]:
    keys: list[dict[str, str]] = (await client.get("/.well-known/jwks.json")).json()["keys"]
    return keys


async def test_published_keys_are_public_p256_keys(auth: httpx.AsyncClient) -> None:
    response = await auth.get("/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=300"
    (key,) = response.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
    assert len(key["kid"]) == len(key["x"]) == len(key["y"]) == 43


async def test_the_configuration_names_only_what_is_there(auth: httpx.AsyncClient) -> None:
    response = await auth.get("/.well-known/openid-configuration")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=300"
    configuration = response.json()
    assert configuration["issuer"] == "http://localhost:5500"
    paths = (await auth.get("/openapi.json")).json()["paths"]
    urls = {value for value in configuration.values() if str(value).startswith("http")}
    for url in urls - {configuration["issuer"]}:
        assert url.removeprefix("http://localhost:5500") in paths
    assert configuration["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert configuration["response_types_supported"] == ["code"]


async def test_a_client_verifies_a_token_with_the_issuers_url_alone(auth: httpx.AsyncClient) -> None:
    answer = await log_in(auth, await register(auth))
    configuration = (await auth.get("/.well-known/openid-configuration")).json()
    keys = await auth.get(configuration["jwks_uri"].removeprefix(configuration["issuer"]))
    # Another library's verification, so that not only our own verifier can read our own tokens.
    claims = jose_jwt.decode(
        answer["access_token"],
        keys.json(),
        algorithms=["ES256"],
        audience="quartet",
        issuer=configuration["issuer"],
    )
    assert claims["sub"] == answer["user"]["id"]


async def test_ten_replicas_that_start_at_once_make_one_key(new_auth_database: NewDatabase) -> None:
    database = await new_auth_database()
    async with contextlib.AsyncExitStack() as stack:
        clients = await asyncio.gather(
            *(stack.enter_async_context(running(make_app(database.settings))) for _ in range(10))
        )
        sets = await asyncio.gather(*(read_keys(client) for client in clients))
        assert len(sets[0]) == 1
        assert all(keys == sets[0] for keys in sets)
        assert await database.fetch_value("SELECT count(*) FROM signing_keys") == 1
        answer = await log_in(clients[0], await register(clients[1]))
        for client in clients:
            me = await client.get("/v1/users/me", headers=bearer(answer["access_token"]))
            assert me.status_code == 200


async def test_a_restart_keeps_key_sessions_and_tokens(new_auth_database: NewDatabase) -> None:
    database = await new_auth_database()
    async with running(make_app(database.settings)) as client:
        keys = await read_keys(client)
        answer = await log_in(client, await register(client))
    async with running(make_app(database.settings)) as client:
        assert await read_keys(client) == keys
        me = await client.get("/v1/users/me", headers=bearer(answer["access_token"]))
        assert me.status_code == 200
        response = await client.post("/v1/auth/refresh", json={"refresh_token": answer["refresh_token"]})
        assert response.status_code == 200


async def test_another_secret_signs_with_another_key_and_the_old_one_still_verifies(
    new_auth_database: NewDatabase,
) -> None:
    database = await new_auth_database()
    async with running(app_with_secret(database, "a")) as first:
        old = await log_in(first, person := await register(first))
        async with running(app_with_secret(database, "b")) as second:
            new = await log_in(second, person)
            me = await second.get("/v1/users/me", headers=bearer(old["access_token"]))
            assert me.status_code == 200
            refreshed = await second.post("/v1/auth/refresh", json={"refresh_token": old["refresh_token"]})
            assert refreshed.status_code == 401
        # The first one reloads because of the unknown key id, without a restart.
        me = await first.get("/v1/users/me", headers=bearer(new["access_token"]))
        assert me.status_code == 200
    assert await database.fetch_value("SELECT count(*) FROM signing_keys") == 2
    assert await database.fetch_value("SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL") == 0


async def test_a_retired_key_verifies_until_it_expires(new_auth_database: NewDatabase) -> None:
    database = await new_auth_database()
    async with running(make_app(database.settings)) as client:
        old = await log_in(client, person := await register(client))
    await database.execute("UPDATE signing_keys SET retired_at = now()")
    async with running(make_app(database.settings)) as client:
        assert len(await read_keys(client)) == 2
        new = await log_in(client, person)
        assert (await client.get("/v1/users/me", headers=bearer(old["access_token"]))).status_code == 200
    await database.execute("UPDATE signing_keys SET expires_at = now() WHERE retired_at IS NOT NULL")
    async with running(make_app(database.settings)) as client:
        assert len(await read_keys(client)) == 1
        assert (await client.get("/v1/users/me", headers=bearer(old["access_token"]))).status_code == 401
        assert (await client.get("/v1/users/me", headers=bearer(new["access_token"]))).status_code == 200


async def test_a_key_of_the_future_is_published_before_it_signs(new_auth_database: NewDatabase) -> None:
    database = await new_auth_database()
    async with running(app_with_secret(database, "a")) as client:
        (current,) = await read_keys(client)
    await database.execute("UPDATE signing_keys SET retired_at = now()")
    async with running(app_with_secret(database, "a")) as client:
        assert len(await read_keys(client)) == 2
    await database.execute(
        "UPDATE signing_keys SET retired_at = NULL, active_from = CASE WHEN kid = $1 THEN active_from"
        " ELSE now() + interval '1 hour' END",
        current["kid"],
    )
    async with running(app_with_secret(database, "a")) as client:
        assert len(await read_keys(client)) == 2
        answer = await log_in(client, await register(client))
        assert jose_jwt.get_unverified_header(answer["access_token"])["kid"] == current["kid"]


async def test_many_unknown_key_ids_cost_one_read(auth_database: AuthDatabase) -> None:
    app = make_app(auth_database.settings)
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "signing_keys" in statement:
            statements.append(statement)

    async with running(app) as client:
        answer = await log_in(client, await register(client))
        event.listen(app.component(Database).engine.sync_engine, "before_cursor_execute", count)
        _, payload, signature = answer["access_token"].split(".")
        for number in range(100):
            header = jose_jwt.encode(
                {}, "x", headers={"alg": "ES256", "typ": "at+jwt", "kid": f"kid{number}"}
            )
            token = f"{header.split('.')[0]}.{payload}.{signature}"
            assert (await client.get("/v1/users/me", headers=bearer(token))).status_code == 401
    assert len(statements) == 1


async def wait_until_ready(client: httpx.AsyncClient) -> None:
    started = time.monotonic()
    while (await client.get("/readyz")).status_code != 200:
        assert time.monotonic() - started < 60, "not ready after a minute"
        await asyncio.sleep(0.05)


async def test_a_service_started_before_its_database_serves_once_it_is_there(own_server: TestServer) -> None:
    upgrade_in_thread = asyncio.to_thread(upgrade, "auth", own_server.url("auth", role="owner"))
    settings = DatabaseSettings(url=own_server.url("auth"))
    own_server.cluster.stop()
    async with running(make_app(settings)) as client:
        assert (await client.get("/livez")).status_code == 200
        person = new_person()
        for response in (
            await client.get("/readyz"),
            await client.get("/.well-known/jwks.json"),
            await client.post("/v1/auth/login", json={"login": person.email, "password": person.password}),
            await client.post("/v1/auth/register", json=person.registration),
            await client.get("/v1/users/me", headers=bearer("eyJhbGciOiJFUzI1NiJ9.e30.AA")),
        ):
            assert response.status_code in (401, 503)
            assert response.status_code == 401 or "retry-after" in response.headers
        own_server.cluster.start()
        pending = await client.get("/.well-known/jwks.json")
        assert pending.status_code == 503
        await upgrade_in_thread
        await wait_until_ready(client)
        answer = await log_in(client, await register(client, person))
        me = await client.get("/v1/users/me", headers=bearer(answer["access_token"]))
        assert me.status_code == 200


async def test_a_service_whose_database_goes_away_recovers_by_itself(own_server: TestServer) -> None:
    settings = DatabaseSettings(url=own_server.url("auth"))
    async with running(make_app(settings)) as client:
        await wait_until_ready(client)
        answer = await log_in(client, await register(client))
        own_server.cluster.stop()
        refused = await client.post("/v1/auth/refresh", json={"refresh_token": answer["refresh_token"]})
        assert refused.status_code == 503
        # The keys are in memory, so tokens are still verified.
        assert len(await read_keys(client)) == 1
        own_server.cluster.start()
        await wait_until_ready(client)
        response = await client.post("/v1/auth/refresh", json={"refresh_token": answer["refresh_token"]})
        assert response.status_code == 200


def test_a_token_is_signed_as_the_jose_library_would() -> None:
    pair = make_key_pair()
    key = load_private_key(pair.private_key)
    claims = {"sub": "7", "username": "Žofie", "roles": ["admin"], "email_verified": True, "nonce": None}
    token = sign_claims(claims, token_type="at+jwt", kid=pair.kid, key=key)
    theirs = jws.sign(
        claims,
        jwk.construct(pair.private_key.decode(), algorithm="ES256"),
        headers={"typ": "at+jwt", "kid": pair.kid},
        algorithm="ES256",
    )
    assert token.split(".")[:2] == theirs.split(".")[:2]
    # So many that some have leading zeros, which a signature has to keep.
    for _ in range(256):
        token = sign_claims(claims, token_type="at+jwt", kid=pair.kid, key=key)
        assert len(token.rpartition(".")[2]) == 86
        assert jose_jwt.decode(token, pair.public_jwk, algorithms=["ES256"]) == claims
