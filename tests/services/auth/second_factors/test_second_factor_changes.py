"""Changing second factors: who may, and the notices to the owner."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, register
from tests.services.auth.mail.mails import eventually, mails_to
from tests.services.auth.second_factors.factors import (
    age_sessions,
    ask,
    begin_app,
    confirm,
    finish,
    forget_used_codes,
    log_in_with_code,
    new_app,
    problem,
)

NOBODY = "01890000-0000-7000-8000-000000000000"

NEEDS_RECENT_LOGIN: list[tuple[str, str, Any]] = [
    ("PATCH", "/v1/users/me", {"email": "elsewhere@example.com"}),
    (
        "POST",
        "/v1/auth/password/change",
        {"current_password": "seven quiet harbours", "new_password": "another quiet harbour"},
    ),
    ("POST", "/v1/mfa/totp", None),
    ("POST", "/v1/mfa/totp/confirm", {"code": "123456"}),
    ("DELETE", "/v1/mfa/totp", None),
    ("POST", "/v1/mfa/recovery-codes", None),
]


async def subjects_to(client: httpx.AsyncClient, address: str) -> set[str]:
    """The subjects of the mails to an address."""
    return {str(mail["subject"]) for mail in await mails_to(client, address)}


@pytest.mark.parametrize(("method", "path", "body"), NEEDS_RECENT_LOGIN)
async def test_a_change_needs_a_login_younger_than_ten_minutes(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, method: str, path: str, body: Any
) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    user_id = answer["user"]["id"]

    async def call_at_age(seconds: float) -> httpx.Response:
        # A refresh tells of the same sign-in, so its token is as old as that.
        await age_sessions(auth_database, user_id, seconds=seconds)
        pair = await auth.post("/v1/auth/refresh", json={"refresh_token": answer["refresh_token"]})
        assert pair.status_code == 200, pair.text
        answer.update(pair.json())
        return await auth.request(method, path, json=body, headers=bearer(answer["access_token"]))

    assert problem(await call_at_age(601)) == (403, "reauthentication-required")
    late = await call_at_age(570)
    assert "reauthentication-required" not in late.text, late.text


async def test_the_status_tells_what_there_is(auth: httpx.AsyncClient) -> None:
    app = await begin_app(auth)
    pending = (await auth.get("/v1/mfa", headers=app.headers)).json()
    assert pending == {
        "totp_enabled": False,
        "totp_enabled_at": None,
        "recovery_codes_left": 0,
        "passkeys": 0,
    }
    app = await new_app(auth, app.person)
    status = (await auth.get("/v1/mfa", headers=app.headers)).json()
    assert (status["totp_enabled"], status["recovery_codes_left"]) == (True, 10)
    assert status["totp_enabled_at"].endswith("Z")
    assert problem(await auth.get("/v1/mfa")) == (401, "unauthorized")


async def test_removing_the_app_ends_no_session_and_the_owner_is_told(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    answer = await log_in_with_code(auth, app, app.code())
    headers = bearer(answer["access_token"])
    assert (await auth.delete("/v1/mfa/totp", headers=headers)).status_code == 204
    assert "access_token" in await log_in(auth, app.person)
    assert (await auth.get("/v1/users/me", headers=app.headers)).status_code == 200
    assert problem(await auth.delete("/v1/mfa/totp", headers=headers)) == (404, "not-found")
    left = "SELECT count(*) FROM recovery_codes WHERE user_id = $1::uuid"
    assert await auth_database.fetch_value(left, app.user_id) == 0
    events = (await auth.get("/v1/users/me/events", headers=headers)).json()["items"]
    assert {"mfa_enabled", "mfa_disabled"} <= {event["event"] for event in events}

    async def told() -> bool:
        return {
            "Signing in now asks for a code",
            "Signing in no longer asks for a code",
        } <= await subjects_to(auth, app.person.email)

    await eventually(told)
    app = await new_app(auth, app.person)
    assert (await finish(auth, await ask(auth, app.person), app.code())).status_code == 200


async def test_a_session_that_never_proved_the_factor_does_not_remove_it(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    thief = bearer((await log_in(auth, person))["access_token"])
    app = await new_app(auth, person)
    for method, path in (("DELETE", "/v1/mfa/totp"), ("POST", "/v1/mfa/recovery-codes")):
        refused = await auth.request(method, path, headers=thief)
        assert problem(refused) == (403, "reauthentication-required")
    assert (await auth.post("/v1/mfa/recovery-codes", headers=app.headers)).status_code == 200
    assert (await auth.delete("/v1/mfa/totp", headers=app.headers)).status_code == 204


async def test_new_recovery_codes_void_the_old_ones(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    old = app.recovery_codes
    await log_in_with_code(auth, app, old[0])
    response = await auth.post("/v1/mfa/recovery-codes", headers=app.headers)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    new = response.json()["recovery_codes"]
    assert len(set(new) | set(old)) == 20
    token = await ask(auth, app.person)
    assert problem(await finish(auth, token, old[1])) == (401, "second-factor-failed")
    assert (await finish(auth, token, new[1])).status_code == 200
    await forget_used_codes(auth_database, app)
    await log_in_with_code(auth, app, app.code())

    async def told() -> bool:
        return "You have new recovery codes" in await subjects_to(auth, app.person.email)

    await eventually(told)
    without = await register(auth)
    headers = bearer((await log_in(auth, without))["access_token"])
    refused = await auth.post("/v1/mfa/recovery-codes", headers=headers)
    assert problem(refused) == (409, "no-second-factor")


async def test_twenty_renewals_at_once_leave_one_set_of_codes(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient], auth_database: AuthDatabase
) -> None:
    app = await new_app(two_auths[0])
    answers = await asyncio.gather(
        *(two_auths[number % 2].post("/v1/mfa/recovery-codes", headers=app.headers) for number in range(20))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 20}
    rows = "SELECT count(*) FROM recovery_codes WHERE user_id = $1::uuid"
    assert await auth_database.fetch_value(rows, app.user_id) == 10
    token, good = await ask(two_auths[0], app.person), 0
    for answer in answers:
        response = await finish(two_auths[0], token, answer.json()["recovery_codes"][0])
        good += response.status_code == 200
        if response.status_code == 429:
            await two_auths[0].get("/livez")
    assert good <= 1


async def test_twenty_logins_and_removals_at_once_never_fail_badly(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    app = await new_app(two_auths[0])
    tokens = [await ask(two_auths[0], app.person) for _ in range(10)]
    calls = [
        finish(two_auths[0], token, code) for token, code in zip(tokens, app.recovery_codes, strict=True)
    ]
    removals = [two_auths[1].delete("/v1/mfa/totp", headers=app.headers) for _ in range(10)]
    answers = await asyncio.gather(*calls, *removals)
    assert {answer.status_code for answer in answers[:10]} <= {200, 401}
    assert Counter(answer.status_code for answer in answers[10:]) == {204: 1, 404: 9}
    assert "access_token" in await log_in(two_auths[0], app.person)


async def test_another_secret_of_the_service_opens_nothing(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    other = await new_app(auth)
    await auth_database.execute(
        "UPDATE totp_secrets SET secret = (SELECT secret FROM totp_secrets WHERE user_id = $2::uuid)"
        " WHERE user_id = $1::uuid",
        app.user_id,
        other.user_id,
    )
    token = await ask(auth, app.person)
    for code in (app.code(), other.code()):
        assert problem(await finish(auth, token, code)) == (401, "second-factor-failed")
    assert (await finish(auth, token, app.recovery_codes[0])).status_code == 200


@pytest.mark.parametrize(
    "damaged", ["sha256(secret) || sha256(secret)", "substr(secret, 1, 4)", "''::bytea", "secret || '\\x00'"]
)
async def test_an_app_whose_secret_cannot_be_read_any_more_is_set_up_anew(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, damaged: str
) -> None:
    app = await begin_app(auth)
    await auth_database.execute(
        f"UPDATE totp_secrets SET secret = {damaged} WHERE user_id = $1::uuid",  # noqa: S608 - written above
        app.user_id,
    )
    for code in (app.code(), "no code"):
        response = await auth.post("/v1/mfa/totp/confirm", json={"code": code}, headers=app.headers)
        assert problem(response) == (409, "no-second-factor")
    app.secret = (await auth.post("/v1/mfa/totp", headers=app.headers)).json()["secret"]
    assert len((await confirm(auth, app)).recovery_codes) == 10


async def test_bad_bodies_are_refused(auth: httpx.AsyncClient) -> None:
    app = await new_app(auth)
    token = await ask(auth, app.person)
    bodies: list[Any] = [
        {},
        {"mfa_token": token},
        {"mfa_token": token, "code": 123456},
        {"mfa_token": token, "code": "1" * 65},
        {"mfa_token": token, "code": "\x00"},
        {"mfa_token": "x" * 129, "code": "123456"},
        {"mfa_token": token, "code": app.code(), "remember": True},
    ]
    for body in bodies:
        assert (await auth.post("/v1/auth/login/mfa", json=body)).status_code == 422, body
    surrogate = '{"mfa_token": "\\ud800", "code": "123456"}'
    response = await auth.post(
        "/v1/auth/login/mfa", content=surrogate, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert (await finish(auth, token, app.code())).status_code == 200


@pytest.mark.parametrize("verified", [False, True])
async def test_an_address_that_nobody_proved_gets_one_notice_of_a_kind_and_an_owner_each(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, verified: bool
) -> None:
    app = await new_app(auth)
    await auth_database.execute(
        "UPDATE users SET email_verified = $2 WHERE id = $1::uuid", app.user_id, verified
    )
    headers = bearer(app.access_token)
    calls = (auth.post("/v1/mfa/recovery-codes", headers=headers) for _ in range(20))
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    mails = await auth_database.fetch_value(
        "SELECT count(*) FROM mails WHERE kind = 'recovery_codes_replaced' AND user_id = $1::uuid",
        app.user_id,
    )
    assert mails == (20 if verified else 1)
    events = "SELECT count(*) FROM audit_events WHERE event = $2 AND user_id = $1::uuid"
    assert await auth_database.fetch_value(events, app.user_id, "recovery_codes_replaced") == 20
