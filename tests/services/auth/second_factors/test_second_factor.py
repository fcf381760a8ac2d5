"""Signing in with codes of an authenticator app and recovery codes."""

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import httpx
import pyotp
import pytest

from auth.second_factors.recovery_codes import new_code, parse_recovery_code
from auth.second_factors.totp import find_step, make_code
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, refresh, register
from tests.services.auth.mail.mails import eventually, mails_to, newest_token
from tests.services.auth.second_factors.factors import (
    App,
    ask,
    begin_app,
    confirm,
    finish,
    forget_used_codes,
    log_in_with_code,
    new_app,
    problem,
)

Change = Callable[[httpx.AsyncClient, App, AuthDatabase], Awaitable[None]]

TwoAuths = tuple[httpx.AsyncClient, httpx.AsyncClient]

RFC_SECRET = b"12345678901234567890"

RFC_CODES = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
"""RFC 6238, appendix B: eight digits, of which ours are the last six."""


@pytest.mark.parametrize("moment", RFC_CODES)
def test_codes_are_those_of_the_rfc(moment: int) -> None:
    assert make_code(RFC_SECRET, step=moment // 30) == RFC_CODES[moment][-6:]
    assert find_step(RFC_SECRET, RFC_CODES[moment][-6:], at=moment) == moment // 30


def test_codes_are_those_of_another_implementation() -> None:
    secret = pyotp.random_base32()
    for step in range(1_000):
        assert make_code(base64.b32decode(secret), step=step) == pyotp.TOTP(secret).at(step * 30)


def test_a_code_is_good_for_one_step_before_and_after() -> None:
    now = 1_800_000_010.0
    accepted = [
        offset
        for offset in range(-4, 5)
        if find_step(RFC_SECRET, make_code(RFC_SECRET, step=int(now) // 30 + offset), at=now) is not None
    ]
    assert accepted == [-1, 0, 1]


def test_recovery_codes_are_read_however_they_were_typed() -> None:
    assert parse_recovery_code(" 7m4k 9qxt-2w8h ") == "7M4K9QXT2W8H"
    assert parse_recovery_code("OIL0-1111-2222") == parse_recovery_code("0110-1111-2222")
    for wrong in ("", "7M4K-9QXT", "7M4K-9QXT-2W8U", "7M4K-9QXT-2W8H-0", "\uff17M4K-9QXT-2W8H"):
        assert parse_recovery_code(wrong) is None
    codes = {new_code() for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(parse_recovery_code(code) == code.replace("-", "") for code in codes)


async def test_the_secret_and_its_uri_are_what_apps_read(auth: httpx.AsyncClient) -> None:
    app = await begin_app(auth)
    response = await auth.post("/v1/mfa/totp", headers=app.headers)
    secret, uri = response.json()["secret"], urlsplit(response.json()["otpauth_uri"])
    assert len(base64.b32decode(secret)) * 8 == 160
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == (
        "otpauth",
        "totp",
        f"/Quartet:{app.person.email}",
    )
    assert {name: values[0] for name, values in parse_qs(uri.query).items()} == {
        "secret": secret,
        "issuer": "Quartet",
        "algorithm": "SHA1",
        "digits": "6",
        "period": "30",
    }
    read = pyotp.parse_uri(response.json()["otpauth_uri"])
    assert isinstance(read, pyotp.TOTP)
    assert response.headers["cache-control"] == "no-store"


async def test_a_pending_secret_guards_nothing_and_is_replaced_by_the_next(auth: httpx.AsyncClient) -> None:
    app = await begin_app(auth)
    assert "access_token" in await log_in(auth, app.person)
    old = app.code()
    app.secret = (await auth.post("/v1/mfa/totp", headers=app.headers)).json()["secret"]
    refused = await auth.post("/v1/mfa/totp/confirm", json={"code": old}, headers=app.headers)
    assert problem(refused) == (403, "incorrect-code")
    await confirm(auth, app)
    assert len(set(app.recovery_codes)) == 10
    for path, body in (("/v1/mfa/totp", None), ("/v1/mfa/totp/confirm", {"code": app.code()})):
        again = await auth.post(path, json=body, headers=app.headers)
        assert problem(again) == (409, "second-factor-enabled")
    nothing = await register(auth)
    headers = bearer((await log_in(auth, nothing))["access_token"])
    response = await auth.post("/v1/mfa/totp/confirm", json={"code": "123456"}, headers=headers)
    assert problem(response) == (409, "no-second-factor")


async def test_twenty_confirmations_at_once_give_one_set_of_recovery_codes(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    app = await begin_app(two_auths[0])
    body = {"code": app.code()}
    answers = await asyncio.gather(
        *(
            two_auths[number % 2].post("/v1/mfa/totp/confirm", json=body, headers=app.headers)
            for number in range(20)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    rows = "SELECT count(*) FROM recovery_codes WHERE user_id = $1::uuid"
    assert await auth_database.fetch_value(rows, app.user_id) == 10


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


async def test_devices_of_before_a_second_factor_are_strangers_to_it(auth: httpx.AsyncClient) -> None:
    """An attacker with the password collects devices beforehand: each would allow ten more codes."""
    person = await register(auth)
    cookies = []
    for _ in range(8):
        auth.cookies.clear()
        answer = await auth.post("/v1/auth/login", json={"login": person.email, "password": person.password})
        cookies.append(answer.headers["set-cookie"].partition(";")[0])
    app = await new_app(auth, person)
    token = await ask(auth, person)
    auth.cookies.clear()
    guesses = [
        (await finish(auth, token, "AAAA-AAAA-AAAA", headers={"Cookie": cookie})).status_code
        for cookie in cookies
        for _ in range(3)
    ]
    assert guesses == [401] * 10 + [429] * 14
    assert problem(await finish(auth, token, app.code())) == (429, "too-many-attempts")


async def test_no_sign_in_with_the_old_password_outlives_its_change(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    for _ in range(5):
        app = await new_app(two_auths[0])
        body = {"login": app.person.email, "password": app.person.password}
        logins = (two_auths[number % 2].post("/v1/auth/login", json=body) for number in range(8))
        answers, _ = await asyncio.gather(
            asyncio.gather(*logins), change_password(two_auths[0], app, auth_database)
        )
        assert {answer.status_code for answer in answers} <= {200, 401}
        for answer in answers:
            if answer.status_code == 200:
                late = await finish(two_auths[0], answer.json()["mfa_token"], app.code())
                assert problem(late) == (401, "login-expired")


async def test_a_token_is_good_for_five_minutes(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    app = await new_app(auth)
    token = await ask(auth, app.person)
    length = await auth_database.fetch_value(
        "SELECT expires_at - created_at FROM login_challenges WHERE user_id = $1::uuid", app.user_id
    )
    assert length.total_seconds() == 300
    await auth_database.execute("UPDATE login_challenges SET created_at = created_at - interval '1 hour'")
    await auth_database.execute("UPDATE login_challenges SET expires_at = now()")
    assert problem(await finish(auth, token, app.code())) == (401, "login-expired")


async def change_password(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    body = {"current_password": app.person.password, "new_password": "another quiet harbour"}
    response = await client.post("/v1/auth/password/change", json=body, headers=app.headers)
    assert response.status_code == 204, response.text


async def reset_password(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    assert (
        await client.post("/v1/auth/password/forgot", json={"email": app.person.email})
    ).status_code == 202

    async def arrived() -> bool:
        return "new password" in (await mails_to(client, app.person.email))[0]["subject"]

    await eventually(arrived)
    token = await newest_token(client, app.person.email)
    body = {"token": token, "new_password": "another quiet harbour"}
    assert (await client.post("/v1/auth/password/reset", json=body)).status_code == 204


async def disable(client: httpx.AsyncClient, app: App, database: AuthDatabase) -> None:
    await database.execute("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", app.user_id)


async def remove_app(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    assert (await client.delete("/v1/mfa/totp", headers=app.headers)).status_code == 204


async def end_other_sessions(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    assert (await client.delete("/v1/auth/sessions", headers=app.headers)).status_code == 204


async def delete_account(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    body = {"password": app.person.password}
    response = await client.request("DELETE", "/v1/users/me", json=body, headers=app.headers)
    assert response.status_code == 204


@pytest.mark.parametrize(
    "change", [change_password, reset_password, disable, remove_app, end_other_sessions, delete_account]
)
async def test_a_change_voids_sign_ins_that_wait_for_a_code(
    auth: httpx.AsyncClient,
    auth_database: AuthDatabase,
    change: Change,
) -> None:
    app = await new_app(auth)
    token = await ask(auth, app.person)
    await change(auth, app, auth_database)
    assert problem(await finish(auth, token, app.code())) == (401, "login-expired")


async def test_a_password_reset_ends_every_session_and_the_code_is_still_asked_for(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    await reset_password(auth, app, auth_database)
    assert (await auth.get("/v1/users/me", headers=app.headers)).status_code == 401
    changed = Person(email=app.person.email, username=app.person.username, password="another quiet harbour")
    token = await ask(auth, changed)
    assert (await finish(auth, token, app.code())).status_code == 200


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


async def test_old_challenges_are_swept(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    app = await new_app(auth)
    await ask(auth, app.person)
    await auth_database.execute("UPDATE login_challenges SET created_at = created_at - interval '1 hour'")
    await auth_database.execute("UPDATE login_challenges SET expires_at = now()")
    fresh = await new_app(auth)
    token = await ask(auth, fresh.person)
    async with running(make_app(auth_database.settings, sweep_seconds=0.1)):

        async def swept() -> bool:
            return bool(await auth_database.fetch_value("SELECT count(*) = 1 FROM login_challenges"))

        await eventually(swept)
    assert (await finish(auth, token, fresh.code())).status_code == 200
