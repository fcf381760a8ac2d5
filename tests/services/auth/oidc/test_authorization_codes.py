"""Authorization codes: used once, within a minute, by the client that they were issued to."""

import asyncio

import httpx
import pytest

from auth.worker import Sweeper
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, register
from tests.services.auth.oidc.standard_client import (
    Attempt,
    Pair,
    end_reason,
    session_of,
)


async def test_of_fifty_concurrent_exchanges_one_gives_a_pair_and_the_others_end_the_session(
    two_auths: Pair, auth_database: AuthDatabase
) -> None:
    person, attempt = await register(two_auths[0]), Attempt()
    code = await attempt.get_code(two_auths[0], person)
    responses = await asyncio.gather(*(attempt.exchange(two_auths[number % 2], code) for number in range(50)))
    good = [response for response in responses if response.status_code == 200]
    assert len(good) == 1
    assert {response.json()["error"] for response in responses if response not in good} == {"invalid_grant"}
    rows = await auth_database.fetch(
        "SELECT s.id, s.end_reason FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1",
        person.email,
    )
    assert [(row["id"], row["end_reason"]) for row in rows] == [(session_of(good[0].json()), "reuse")]


async def test_a_code_used_twice_ends_its_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, attempt = await register(auth), Attempt()
    code = await attempt.get_code(auth, person)
    tokens = (await attempt.exchange(auth, code)).json()
    again = await attempt.exchange(auth, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert await end_reason(auth_database, session_of(tokens)) == "reuse"
    me = await auth.get("/v1/users/me", headers=bearer(tokens["access_token"]))
    assert me.status_code == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "a" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:5100/callback"}, "invalid_grant"),
        ({"client_id": "l2p-web"}, "invalid_grant"),
        ({"code": "A" * 43}, "invalid_grant"),
        ({"code": "\x00ü"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code": None}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
        ({"grant_type": None}, "invalid_request"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"client_secret": "a secret"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_code_is_bound_and_an_eavesdropper_cannot_void_it(
    auth: httpx.AsyncClient, changed: dict[str, str | None], error: str
) -> None:
    attempt = Attempt()
    code = await attempt.get_code(auth, await register(auth))
    response = await attempt.exchange(auth, code, **changed)
    assert response.json()["error"] == error
    assert response.status_code == (401 if error == "invalid_client" else 400)
    assert response.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in response.headers) == (error == "invalid_client")
    assert set(response.json()) == {"error", "error_description"}
    assert (await attempt.exchange(auth, code)).status_code == 200


async def test_a_code_is_void_after_a_minute_and_its_session_is_swept(
    auth_database: AuthDatabase,
) -> None:
    app = make_app(auth_database.settings)
    async with running(app) as client:
        person, attempt = await register(client), Attempt()
        late, fresh = await attempt.get_code(client, person), await attempt.get_code(client, person)
        await auth_database.execute(
            "UPDATE authorization_codes SET created_at = created_at - interval '60 seconds',"
            " expires_at = expires_at - interval '60 seconds'"
            " WHERE code_hash = encode(sha256(convert_to($1, 'UTF8')), 'hex')",
            late,
        )
        response = await attempt.exchange(client, late)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
        await asyncio.gather(*(app.component(Sweeper).sweep() for _ in range(5)))
        assert (await attempt.exchange(client, fresh)).status_code == 200
        rows = await auth_database.fetch(
            "SELECT end_reason FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1 ORDER BY s.id",
            person.email,
        )
        assert [row["end_reason"] for row in rows] == ["ended", None]
        await auth_database.execute(
            "UPDATE authorization_codes SET created_at = created_at - interval '2 hours',"
            " expires_at = expires_at - interval '2 hours'"
        )
        await app.component(Sweeper).sweep()
        assert await auth_database.fetch_value("SELECT count(*) FROM authorization_codes") == 0


async def test_ending_sessions_voids_codes(auth: httpx.AsyncClient) -> None:
    person, attempt = await register(auth), Attempt()
    mine = await log_in(auth, person)
    code = await attempt.get_code(auth, person)
    await auth.delete("/v1/auth/sessions", headers=bearer(mine["access_token"]))
    response = await attempt.exchange(auth, code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_the_database_holds_no_code(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    code = await Attempt().get_code(auth, await register(auth))
    rows = await auth_database.fetch("SELECT authorization_codes::text AS row FROM authorization_codes")
    assert rows
    assert not any(code in row["row"] for row in rows)
