"""An account's passkeys: adding and removing them, and every invalid registration."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, refresh, register
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.passkeys.authenticator import WRONG_ASSERTIONS, Authenticator, encode
from tests.services.auth.passkeys.owners import (
    TwoAuths,
    add,
    creation_options,
    new_owner,
    request_options,
    sign_in,
)
from tests.services.auth.second_factors.factors import age_sessions, new_app, problem

WRONG_REGISTRATIONS = {
    **{
        name: changed
        for name, changed in WRONG_ASSERTIONS.items()
        if not {"key", "user_handle", "count"} & changed.keys() and changed != {"kind": "webauthn.create"}
    },
    "a sign-in's kind": {"kind": "webauthn.get"},
}


@pytest.mark.parametrize("wrong", WRONG_REGISTRATIONS)
async def test_a_wrong_registration_is_refused(auth: httpx.AsyncClient, wrong: str) -> None:
    person = await register(auth)
    headers = bearer((await log_in(auth, person))["access_token"])
    options = await creation_options(auth, headers)
    credential = Authenticator().make(options, **WRONG_REGISTRATIONS[wrong])
    response = await add(auth, headers, credential)
    assert problem(response) == (422, "invalid-request")
    assert response.json()["errors"][0]["pointer"] == "#/credential"
    assert (await auth.get("/v1/passkeys", headers=headers)).json()["items"] == []


async def test_of_twenty_uses_of_one_registration_one_is_stored(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    person = await register(two_auths[0])
    headers = bearer((await log_in(two_auths[0], person))["access_token"])
    credential = Authenticator().make(await creation_options(two_auths[0], headers))
    answers = await asyncio.gather(*(add(two_auths[n % 2], headers, credential) for n in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 19}


async def test_a_known_passkey_is_nobody_elses(auth: httpx.AsyncClient) -> None:
    owner, other = await new_owner(auth), await new_owner(auth)
    for headers in (owner.headers, other.headers):
        again = owner.authenticator.make(await creation_options(auth, headers))
        assert problem(await add(auth, headers, again)) == (409, "passkey-known")


async def test_of_thirty_passkeys_at_once_twenty_are_stored(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    person = await register(two_auths[0])
    answer = await log_in(two_auths[0], person)
    headers = bearer(answer["access_token"])
    made = [Authenticator().make(await creation_options(two_auths[0], headers)) for _ in range(30)]
    answers = await asyncio.gather(*(add(two_auths[n % 2], headers, each) for n, each in enumerate(made)))
    assert Counter(each.status_code for each in answers) == {201: 20, 409: 10}
    stored = "SELECT count(*) FROM passkeys WHERE user_id = $1::uuid"
    assert await auth_database.fetch_value(stored, answer["user"]["id"]) == 20


async def test_a_removed_passkey_signs_nobody_in(auth: httpx.AsyncClient) -> None:
    owner, other = await new_owner(auth), await new_owner(auth)
    path = f"/v1/passkeys/{owner.passkey['id']}"
    for method, body in (("DELETE", None), ("PATCH", {"name": "Mine now"})):
        foreign = await auth.request(method, path, json=body, headers=other.headers)
        assert problem(foreign) == (404, "not-found")
    renamed = await auth.patch(path, json={"name": " An old one "}, headers=owner.headers)
    assert renamed.json()["name"] == "An old one"
    for name in ("", "   ", "x" * 65, "a\nb", "\x00"):
        assert (await auth.patch(path, json={"name": name}, headers=owner.headers)).status_code == 422
    session = (await sign_in(auth, owner.authenticator.get_assertion(await request_options(auth)))).json()
    assert (await auth.delete(path, headers=owner.headers)).status_code == 204
    assert problem(await auth.delete(path, headers=owner.headers)) == (404, "not-found")
    assertion = owner.authenticator.get_assertion(await request_options(auth))
    assert problem(await sign_in(auth, assertion)) == (401, "passkey-refused")
    still = await auth.get("/v1/users/me/events", headers=bearer(session["access_token"]))
    assert still.status_code == 200, "removing a passkey ends no session"
    assert "passkey_removed" in {event["event"] for event in still.json()["items"]}


async def test_of_two_last_passkeys_removed_at_once_one_stays(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    for _ in range(10):
        owner = await new_owner(two_auths[0])
        credential = Authenticator().make(await creation_options(two_auths[0], owner.headers))
        second = (await add(two_auths[0], owner.headers, credential)).json()
        await auth_database.execute(
            "UPDATE users SET password_hash = NULL WHERE id = $1::uuid", owner.user_id
        )
        answers = await asyncio.gather(
            *(
                client.delete(f"/v1/passkeys/{passkey['id']}", headers=owner.headers)
                for client, passkey in zip(two_auths, (owner.passkey, second), strict=True)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {204: 1, 409: 1}
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert problem(refused) == (409, "last-sign-in-method")


async def test_changing_passkeys_needs_a_recent_login(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner = await new_owner(auth)
    answer = await log_in(auth, owner.person)
    await age_sessions(auth_database, owner.user_id, seconds=601)
    pair = (await refresh(auth, answer["refresh_token"])).json()
    headers = bearer(pair["access_token"])
    calls = [
        await auth.post("/v1/passkeys/register/options", headers=headers),
        await add(auth, headers, Authenticator().make(await creation_options(auth, owner.headers))),
        await auth.delete(f"/v1/passkeys/{owner.passkey['id']}", headers=headers),
    ]
    assert [problem(call) for call in calls] == [(403, "reauthentication-required")] * 3
    path = f"/v1/passkeys/{owner.passkey['id']}"
    assert (await auth.patch(path, json={"name": "Old"}, headers=headers)).status_code == 200


async def test_a_session_that_never_proved_the_factor_adds_no_passkey(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    thief = bearer((await log_in(auth, person))["access_token"])
    await new_app(auth, person)
    credential = Authenticator().make(await creation_options(auth, thief))
    assert problem(await add(auth, thief, credential)) == (403, "reauthentication-required")


async def test_pages_and_domain_are_settings(new_auth_database: NewDatabase) -> None:
    settings = (await new_auth_database()).settings
    app = make_app(
        settings,
        auth_issuer="https://auth.example.com",
        passkey_domain="example.com",
        passkey_origins="https://www.example.com, https://app.example.com:8443",
        display_name="Example",
    )
    async with running(app) as client:
        person = await register(client)
        headers = bearer((await log_in(client, person))["access_token"])
        for origin, status in {
            "https://auth.example.com": 422,
            "https://example.com": 422,
            "https://www.example.com": 201,
            "https://app.example.com:8443": 201,
        }.items():
            options = await creation_options(client, headers)
            assert options["rp"] == {"id": "example.com", "name": "Example"}
            credential = Authenticator().make(options, origin=origin, rp_id="example.com")
            assert (await add(client, headers, credential)).status_code == status, origin


def test_a_domain_that_pages_are_not_on_is_refused_at_the_start(auth_database: AuthDatabase) -> None:
    with pytest.raises(ValueError, match="AUTH_PASSKEY_DOMAIN"):
        make_app(auth_database.settings, passkey_domain="example.com")
    with pytest.raises(ValueError, match="AUTH_PASSKEY_DOMAIN"):
        make_app(auth_database.settings, passkey_origins="https://badlocalhost")
    with pytest.raises(ValueError, match="no origin"):
        make_app(auth_database.settings, passkey_origins="*")


async def test_nonsense_is_refused_and_breaks_nothing(auth: httpx.AsyncClient) -> None:
    owner = await new_owner(auth)
    good = owner.authenticator.get_assertion(await request_options(auth))
    nonsense: list[Any] = [
        {},
        {"id": 1, "rawId": [], "response": {}},
        {**good, "id": ""},
        {**good, "id": "A" * 2_000},
        {**good, "id": "%%%"},
        {**good, "rawId": encode(b"other")},
        {**good, "type": "password"},
        {**good, "response": []},
        {**good, "response": {**good["response"], "clientDataJSON": "!"}},
        {**good, "response": {**good["response"], "clientDataJSON": encode(b"[]")}},
        {**good, "response": {**good["response"], "clientDataJSON": encode(b"\xff")}},
        {**good, "response": {**good["response"], "authenticatorData": encode(b"short")}},
        {**good, "response": {**good["response"], "signature": encode(b"")}},
        {**good, "response": {**good["response"], "userHandle": 5}},
        {**good, "authenticatorAttachment": "implant"},
    ]
    for each in nonsense:
        assert problem(await sign_in(auth, each)) == (401, "passkey-refused"), each
        assert (await add(auth, owner.headers, each)).status_code == 422, each
    bodies: list[Any] = [
        {},
        {"credential": []},
        {"credential": good, "more": 1},
        {"credential": {"a": "\x00"}},
    ]
    for body in bodies:
        assert (await auth.post("/v1/passkeys/login", json=body)).status_code == 422
    made = Authenticator().make(await creation_options(auth, owner.headers))
    for attestation in (b"", b"\xff" * 64, b"\x9f" * 10_000, b"\x81" * 10_000):
        broken = {**made, "response": {**made["response"], "attestationObject": encode(attestation)}}
        assert (await add(auth, owner.headers, broken)).status_code == 422
    assert (await sign_in(auth, good)).status_code == 200
