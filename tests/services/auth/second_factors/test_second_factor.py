"""Signing in with codes of an authenticator app and recovery codes."""

import asyncio
import base64
from collections import Counter
from uuid import UUID

import httpx

from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, refresh, register
from tests.services.auth.mail.mails import eventually, mails_to
from tests.services.auth.second_factors.factors import (
    TwoAuths,
    ask,
    delete_account,
    finish,
    forget_used_codes,
    log_in_with_code,
    new_app,
    problem,
)


async def test_a_login_asks_for_a_code_and_begins_no_session_before_it(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    count = "SELECT count(*) FROM sessions WHERE user_id = $1::uuid"
    before = await auth_database.fetch_value(count, app.user_id)
    auth.cookies.clear()
    response = await auth.post(
        "/v1/auth/login", json={"login": app.person.email, "password": app.person.password}
    )
    assert response.status_code == 200
    assert response.json().keys() == {"mfa_required", "mfa_token"}
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers, "the device is not known before the whole sign-in"
    assert await auth_database.fetch_value(count, app.user_id) == before
    code = app.code()
    finished = await finish(auth, response.json()["mfa_token"], f" {code[:3]} {code[3:]} ")
    assert finished.status_code == 200, finished.text
    assert "auth_device" in finished.headers["set-cookie"]
    answer = finished.json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "user"}
    assert (await auth.get("/v1/users/me", headers=bearer(answer["access_token"]))).status_code == 200
    assert (await refresh(auth, answer["refresh_token"])).status_code == 200
    assert await auth_database.fetch_value(count, app.user_id) == before + 1


async def test_a_wrong_password_never_tells_of_a_second_factor(auth: httpx.AsyncClient) -> None:
    with_app, without = (await new_app(auth)).person, await register(auth)
    answers = [
        await auth.post("/v1/auth/login", json={"login": person.email, "password": "wrong password"})
        for person in (with_app, without)
    ]
    assert [problem(answer) for answer in answers] == [(401, "login-failed")] * 2


async def test_a_wrong_code_keeps_the_token_and_a_finished_one_is_over(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    token = await ask(auth, app.person)
    wrong = f"{(int(app.code()) + 1) % 10**6:06}"
    for code in (
        wrong,
        app.code(steps=-5),
        app.code(steps=5),
        "",
        "12345",
        "ABCD-EFGH-JKMN",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
    ):
        assert problem(await finish(auth, token, code)) == (401, "second-factor-failed"), code
    assert (await finish(auth, token, app.code())).status_code == 200
    await forget_used_codes(auth_database, app)
    assert problem(await finish(auth, token, app.code())) == (401, "login-expired")
    assert problem(await finish(auth, "qma1_" + "A" * 43, app.code())) == (401, "login-expired")


async def test_a_code_works_once_and_so_do_earlier_ones(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    await log_in_with_code(auth, app, app.code())
    token = await ask(auth, app.person)
    for code in (app.code(), app.code(steps=-1)):
        assert problem(await finish(auth, token, code)) == (401, "second-factor-failed")
    await forget_used_codes(auth_database, app)
    assert (await finish(auth, token, app.code())).status_code == 200, "it was refused for its use alone"


async def test_of_fifty_sign_ins_with_one_code_one_succeeds(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    app = await new_app(two_auths[0])
    tokens = [await ask(two_auths[number % 2], app.person) for number in range(50)]
    code = app.code()
    answers = await asyncio.gather(
        *(finish(two_auths[number % 2], token, code) for number, token in enumerate(tokens))
    )
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] == 1, statuses
    assert set(statuses) <= {200, 401, 429}
    live = "SELECT count(*) FROM sessions WHERE user_id = $1::uuid AND ended_at IS NULL"
    assert await auth_database.fetch_value(live, app.user_id) == 2, "the one that set the app up, and one"


async def test_of_twenty_calls_with_one_token_and_two_codes_one_succeeds(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    app = await new_app(two_auths[0])
    token = await ask(two_auths[0], app.person)
    codes = [app.code(), app.recovery_codes[0]]
    answers = await asyncio.gather(
        *(finish(two_auths[number % 2], token, codes[number // 2 % 2]) for number in range(20))
    )
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] == 1, statuses
    assert set(statuses) <= {200, 401}


async def test_a_recovery_code_works_once_and_the_owner_is_told(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    typed = app.recovery_codes[3].lower().replace("-", " ")
    answer = await log_in_with_code(auth, app, typed)
    token = await ask(auth, app.person)
    assert problem(await finish(auth, token, app.recovery_codes[3])) == (401, "second-factor-failed")
    status = (await auth.get("/v1/mfa", headers=bearer(answer["access_token"]))).json()
    assert status["recovery_codes_left"] == 9
    events = (await auth.get("/v1/users/me/events", headers=bearer(answer["access_token"]))).json()["items"]
    assert [event["event"] for event in events][:3] == ["login_failed", "login", "recovery_code_used"]

    async def told() -> bool:
        mails = await mails_to(auth, app.person.email)
        return any("recovery code was used" in mail["subject"] and ": 9." in mail["text"] for mail in mails)

    await eventually(told)
    other = await new_app(auth)
    token = await ask(auth, other.person)
    refused = await finish(auth, token, app.recovery_codes[0])
    assert problem(refused) == (401, "second-factor-failed"), "another account's code"


async def test_of_thirty_sign_ins_with_one_recovery_code_one_succeeds(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    app = await new_app(two_auths[0])
    tokens = [await ask(two_auths[number % 2], app.person) for number in range(30)]
    answers = await asyncio.gather(
        *(finish(two_auths[number % 2], token, app.recovery_codes[0]) for number, token in enumerate(tokens))
    )
    assert Counter(answer.status_code for answer in answers)[200] == 1
    used = "SELECT count(*) FROM recovery_codes WHERE user_id = $1::uuid AND used_at IS NOT NULL"
    assert await auth_database.fetch_value(used, app.user_id) == 1


async def test_who_has_learnt_the_password_cannot_lock_a_recognised_device_out(
    auth: httpx.AsyncClient,
) -> None:
    app = await new_app(auth)
    auth.cookies.clear()
    known = await finish(auth, await ask(auth, app.person), app.recovery_codes[0])
    cookie, _, _ = known.headers["set-cookie"].partition(";")
    auth.cookies.clear()
    token = await ask(auth, app.person)
    guesses = [(await finish(auth, token, "AAAA-AAAA-AAAA")).status_code for _ in range(12)]
    assert guesses == [401] * 10 + [429] * 2
    assert problem(await finish(auth, token, app.code())) == (429, "too-many-attempts")
    auth.cookies.clear()
    headers = {"Cookie": cookie}
    own = [(await finish(auth, token, "AAAA-AAAA-AAAA", headers=headers)).status_code for _ in range(9)]
    assert own == [401] * 9
    assert (await finish(auth, token, app.code(), headers=headers)).status_code == 200


async def test_a_refresh_needs_no_code(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    before = await log_in(auth, person)
    await new_app(auth, person)
    answer = await refresh(auth, before["refresh_token"])
    assert answer.status_code == 200, "enabling a factor ends nobody's session"
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "refresh_token"}


async def test_a_session_that_waited_for_a_code_tells_how_it_began(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    response = await finish(
        auth, await ask(auth, app.person), app.code(), headers={"User-Agent": "the telephone"}
    )
    headers = bearer(response.json()["access_token"])
    items = (await auth.get("/v1/auth/sessions", headers=headers)).json()["items"]
    current = next(item for item in items if item["current"])
    assert (current["method"], current["user_agent"]) == ("password", "the telephone")


async def test_a_dump_holds_nothing_that_signs_in(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    token = await ask(auth, app.person)
    text = ""
    for table in ("totp_secrets", "recovery_codes", "login_challenges", "mails", "audit_events"):
        rows = await auth_database.fetch(f'SELECT row_to_json(t)::text AS text FROM "{table}" t')  # noqa: S608 - our own tables
        text += "".join(row["text"] for row in rows)
    assert app.user_id in text
    raw = base64.b32decode(app.secret)
    hidden = [app.secret, raw.hex(), token, token.removeprefix("qma1_")]
    for code in app.recovery_codes:
        characters = code.replace("-", "")
        hidden += [code, characters, characters.encode().hex()]
        hidden += [code.lower(), UUID(app.user_id).hex + characters.encode().hex()]
    for secret in hidden:
        assert secret not in text


async def test_a_deleted_account_leaves_no_factor_behind(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    await ask(auth, app.person)
    await delete_account(auth, app, auth_database)
    for table in ("totp_secrets", "recovery_codes", "login_challenges"):
        left = f"SELECT count(*) FROM {table} WHERE user_id = $1::uuid"  # noqa: S608 - our own tables
        assert await auth_database.fetch_value(left, app.user_id) == 0
