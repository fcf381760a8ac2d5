"""Limits on failed logins, by account, device and network, and on sign-ups by network."""

import asyncio
import itertools
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, new_person, register
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.mail.mails import newest_token
from tests.services.auth.processes import auth_process

WRONG = "not the password"


async def try_password(
    client: httpx.AsyncClient, login: str, password: str = WRONG, **more: Any
) -> httpx.Response:
    """A login from an unknown device, unless a cookie is given."""
    client.cookies.clear()
    return await client.post("/v1/auth/login", json={"login": login, "password": password}, **more)


async def sign_in_on_device(client: httpx.AsyncClient, person: Person) -> str:
    """The device's cookie after a login."""
    response = await try_password(client, person.email, person.password)
    assert response.status_code == 200, response.text
    cookie, _, _ = response.headers["set-cookie"].partition(";")
    return cookie


@pytest.mark.long
async def test_a_guess_whose_process_is_killed_counts(new_auth_database: NewDatabase, tmp_path: Path) -> None:
    auth_database = await new_auth_database()
    async with auth_process(auth_database, folder=tmp_path) as doomed:
        person = await register(doomed.client)
        guesses = [asyncio.create_task(try_password(doomed.client, person.email)) for _ in range(10)]
        count = "SELECT coalesce(max(cardinality(attempted_at)), 0) FROM attempt_counters WHERE blocked_until > now()"
        async with asyncio.timeout(60):
            while await auth_database.fetch_value(count) < 10:
                assert doomed.process.returncode is None
        doomed.process.send_signal(signal.SIGKILL)
        await asyncio.gather(*guesses, return_exceptions=True)
    async with running(make_app(auth_database.settings)) as client:
        assert (await try_password(client, person.email, person.password)).status_code == 429


async def test_a_login_of_nobody_is_refused_at_the_same_count_with_the_same_answer(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, disabled, other_way = [await register(auth) for _ in range(3)]
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", disabled.email)
    await auth_database.execute("UPDATE users SET password_hash = NULL WHERE email = $1", other_way.email)
    nobody = new_person()
    logins = [person.email, disabled.email, other_way.email, nobody.email, nobody.username, "no such @ thing"]
    answers = {login: [await try_password(auth, login) for _ in range(12)] for login in logins}
    for login in logins:
        assert [answer.status_code for answer in answers[login]] == [401] * 10 + [429] * 2, login
    problems = [{**answers[login][-1].json(), "request_id": None} for login in logins]
    assert problems == [problems[0]] * len(problems)
    assert all(880 <= int(answers[login][-1].headers["retry-after"]) <= 900 for login in logins)


async def test_no_spelling_of_a_login_is_a_further_set_of_guesses(auth: httpx.AsyncClient) -> None:
    person = await register(auth, Person(email="Zoë.Íñigo@example.com", username="zoe.inigo"))
    spellings = [
        person.email,
        person.email.upper(),
        person.email.lower(),
        f" {person.email}",
        "Zoe\u0308.Íñigo@example.com",
        "Zoë.Íñigo@exam\ufe00ple.com",
        "Zoë.Íñigo@example\u3002com",
    ]
    statuses = [(await try_password(auth, login)).status_code for login in spellings * 3]
    assert statuses == [401] * 10 + [429] * 11


async def test_both_spellings_of_an_international_domain_are_one_set_of_guesses(
    auth: httpx.AsyncClient,
) -> None:
    person = await register(auth, Person(email="bob@bücher.example", username="bob.of.books"))
    spellings = [person.email, "bob@xn--bcher-kva.example"]
    statuses = [(await try_password(auth, login)).status_code for login in spellings * 6]
    assert statuses == [401] * 10 + [429] * 2


async def test_guesses_by_both_names_of_an_account_are_ten_and_do_not_tell_that_they_belong_together(
    auth: httpx.AsyncClient,
) -> None:
    person = await register(auth)
    names = [person.email, person.username]
    guesses = [try_password(auth, names[number % 2]) for number in range(100)]
    statuses = Counter(answer.status_code for answer in await asyncio.gather(*guesses))
    # Each name shows its own ten refusals, as those of two accounts, or of none, would.
    assert statuses == {401: 20, 429: 80}


async def test_the_eleventh_guess_at_an_account_does_not_succeed_by_its_other_name(
    auth: httpx.AsyncClient,
) -> None:
    person = await register(auth)
    device = await sign_in_on_device(auth, person)
    for _ in range(10):
        assert (await try_password(auth, person.email)).status_code == 401
    right = await try_password(auth, person.username, person.password)
    wrong = await try_password(auth, "nobody.of.this.name", person.password)
    assert right.status_code == wrong.status_code == 401
    assert {**right.json(), "request_id": None} == {**wrong.json(), "request_id": None}
    known = await try_password(auth, person.username, person.password, headers={"cookie": device})
    assert known.status_code == 200


async def test_a_success_never_counts(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    for _ in range(9):
        assert (await try_password(auth, person.email)).status_code == 401
    for _ in range(12):
        assert (await try_password(auth, person.email, person.password)).status_code == 200
    statuses = [(await try_password(auth, person.email)).status_code for _ in range(2)]
    assert statuses == [401, 429]


async def test_thirty_right_logins_at_once_are_all_answered(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    person = await register(two_auths[0])
    logins = (try_password(two_auths[number % 2], person.email, person.password) for number in range(30))
    assert {answer.status_code for answer in await asyncio.gather(*logins)} == {200}


async def test_strangers_cannot_lock_a_recognised_device_out(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    cookie = await sign_in_on_device(auth, person)
    for _ in range(12):
        await try_password(auth, person.email)
    assert (await try_password(auth, person.email, person.password)).status_code == 429
    known = await try_password(auth, person.email, person.password, headers={"Cookie": cookie})
    assert known.status_code == 200
    guesses = [await try_password(auth, person.email, headers={"Cookie": cookie}) for _ in range(12)]
    assert [guess.status_code for guess in guesses] == [401] * 10 + [429] * 2
    again = await try_password(auth, person.email, person.password, headers={"Cookie": cookie})
    assert again.status_code == 429, "a stolen device has a limit of its own"


@pytest.mark.parametrize("change", ["password/change", "password/reset"])
async def test_devices_of_before_a_new_password_are_strangers_to_it(
    auth: httpx.AsyncClient, change: str
) -> None:
    """An attacker collects cookies before the owner comes: each would allow ten more guesses."""
    person = await register(auth)
    cookies = [await sign_in_on_device(auth, person) for _ in range(8)]
    if change == "password/change":
        headers = bearer((await log_in(auth, person))["access_token"])
        body = {"current_password": person.password, "new_password": "eight silent lagoons"}
        assert (await auth.post("/v1/auth/password/change", json=body, headers=headers)).status_code == 204
    else:
        await auth.post("/v1/auth/password/forgot", json={"email": person.email})
        body = {"token": await newest_token(auth, person.email), "new_password": "eight silent lagoons"}
        assert (await auth.post("/v1/auth/password/reset", json=body)).status_code == 204
    guesses = (
        try_password(auth, person.email, f"guess {number}", headers={"Cookie": cookie})
        for cookie in cookies
        for number in range(5)
    )
    answers = await asyncio.gather(*guesses)
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 30}


async def test_a_device_is_recognised_by_the_newest_password(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    cookie = await sign_in_on_device(auth, person)
    headers = bearer((await log_in(auth, person))["access_token"])
    body = {"current_password": person.password, "new_password": "eight silent lagoons"}
    assert (await auth.post("/v1/auth/password/change", json=body, headers=headers)).status_code == 204
    again = await try_password(auth, person.email, body["new_password"], headers={"Cookie": cookie})
    assert again.status_code == 200
    renewed, _, _ = again.headers["set-cookie"].partition(";")
    for _ in range(10):
        assert (await try_password(auth, person.email)).status_code == 401
    right = await try_password(auth, person.email, body["new_password"], headers={"Cookie": renewed})
    assert right.status_code == 200


async def test_strangers_do_not_keep_the_signed_in_from_proving_their_password(
    auth: httpx.AsyncClient,
) -> None:
    person = await register(auth)
    headers = bearer((await log_in(auth, person))["access_token"])
    auth.cookies.clear()
    for name in (person.username, person.email):
        for _ in range(10):
            await try_password(auth, name)
    body = {"current_password": person.password, "new_password": "eight silent lagoons"}
    assert (await auth.post("/v1/auth/password/change", json=body, headers=headers)).status_code == 204


async def test_of_fifty_guesses_with_a_stolen_token_ten_are_looked_at_and_nobody_is_locked_out(
    auth: httpx.AsyncClient,
) -> None:
    person = await register(auth)
    headers = bearer((await log_in(auth, person))["access_token"])
    guesses = (
        auth.request("DELETE", "/v1/users/me", json={"password": f"guess {number}"}, headers=headers)
        for number in range(50)
    )
    answers = await asyncio.gather(*guesses)
    assert Counter(answer.status_code for answer in answers) == {403: 10, 429: 40}
    late = await auth.request("DELETE", "/v1/users/me", json={"password": person.password}, headers=headers)
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 800
    assert (await try_password(auth, person.email, person.password)).status_code == 200


async def test_a_device_is_known_to_its_own_account_only(auth: httpx.AsyncClient) -> None:
    attacker, victim = await register(auth), await register(auth)
    cookies = [await sign_in_on_device(auth, attacker) for _ in range(3)]
    statuses = Counter(
        [
            (await try_password(auth, victim.email, headers={"Cookie": cookie})).status_code
            for cookie in cookies
            for _ in range(6)
        ]
    )
    assert statuses == {401: 10, 429: 8}


async def test_the_device_cookie_is_for_the_browser_alone_and_says_nothing(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    response = await try_password(auth, person.email, person.password)
    cookie = response.headers["set-cookie"]
    assert {part.strip() for part in cookie.split(";")[1:]} == {
        *("HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={365 * 24 * 3600}"),
    }
    user = response.json()["user"]
    assert not any(
        value in cookie for value in (person.email, person.username, user["id"], user["id"].replace("-", ""))
    )
    secure = make_app(auth_database.settings, auth_issuer="https://auth.example.com")
    async with running(secure) as client:
        first = (await try_password(client, person.email, person.password)).headers["set-cookie"]
        assert first.startswith("__Host-auth_device=")
        assert "Secure" in first
        known = {"Cookie": first.partition(";")[0]}
        again = await try_password(client, person.email, person.password, headers=known)
        assert again.headers["set-cookie"] == first
    assert "set-cookie" not in (await try_password(auth, person.email)).headers


async def test_a_network_is_limited_over_all_accounts_and_by_its_64(auth_database: AuthDatabase) -> None:
    app = make_app(auth_database.settings, login_failures_per_network=5, trusted_proxies="127.0.0.0/8")
    async with running(app) as client:

        async def come_from(address: str, login: str, password: str = WRONG) -> int:
            headers = {"X-Forwarded-For": f"192.0.2.1, {address}"}
            return (await try_password(client, login, password, headers=headers)).status_code

        person = await register(client)
        statuses = [await come_from(f"2001:db8:9:1::{number}", new_person().email) for number in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        assert await come_from("2001:db8:9:1:ffff::", person.email, person.password) == 429
        assert await come_from("2001:db8:9:2::", person.email, person.password) == 200


async def test_a_forwarded_address_of_who_is_no_proxy_is_not_believed(
    new_auth_database: NewDatabase,
) -> None:
    app = make_app((await new_auth_database()).settings, login_failures_per_network=3)
    async with running(app) as client:
        statuses = [
            (
                await try_password(
                    client, new_person().email, headers={"X-Forwarded-For": f"198.51.100.{number}"}
                )
            ).status_code
            for number in range(5)
        ]
    assert statuses == [401] * 3 + [429] * 2


async def test_sign_ups_of_a_network_are_limited(auth_database: AuthDatabase) -> None:
    app = make_app(auth_database.settings, sign_ups_per_network=3, trusted_proxies="127.0.0.1")
    headers = {"X-Forwarded-For": "203.0.113.77"}
    async with running(app) as client:
        answers = await asyncio.gather(
            *(
                client.post("/v1/auth/register", json=new_person().registration, headers=headers)
                for _ in range(8)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {201: 3, 429: 5}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert 3_590 <= int(refused.headers["retry-after"]) <= 3_600
        invalid = await client.post("/v1/auth/register", json={}, headers=headers)
        assert invalid.status_code == 422
        elsewhere = await client.post(
            "/v1/auth/register",
            json=new_person().registration,
            headers={"X-Forwarded-For": "203.0.113.78"},
        )
        assert elsewhere.status_code == 201


async def test_of_fifty_wishes_for_mails_of_a_network_no_more_than_the_limit_are_taken(
    new_auth_database: NewDatabase,
) -> None:
    database = await new_auth_database()
    made = [
        make_app(database.settings, mail_requests_per_network=3, trusted_proxies="127.0.0.1")
        for _ in range(2)
    ]
    headers, elsewhere = {"X-Forwarded-For": "203.0.113.77"}, {"X-Forwarded-For": "203.0.113.78"}
    async with running(made[0]) as one, running(made[1]) as other:
        known = await register(one)
        paths = ["/v1/auth/password/forgot", "/v1/auth/email/resend"]
        before = await database.fetch_value("SELECT count(*) FROM mail_cooldowns")
        answers = await asyncio.gather(
            *(
                (one, other)[number % 2].post(
                    paths[number // 2 % 2], json={"email": new_person().email}, headers=headers
                )
                for number in range(50)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {202: 3, 429: 47}
        assert await database.fetch_value("SELECT count(*) FROM mail_cooldowns") == before + 3
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["type"] == "/problems/too-many-attempts"
        assert 3_590 <= int(refused.headers["retry-after"]) <= 3_600
        for path, email in itertools.product(
            ("/password/forgot", "/email/resend"), (known.email, new_person().email)
        ):
            page = await one.post(path, data={"email": email}, headers=headers)
            assert (page.status_code, page.headers["content-type"]) == (429, "text/html; charset=utf-8")
            assert 3_590 <= int(page.headers["retry-after"]) <= 3_600
            assert "Try again in 60 minutes." in page.text
        for path in paths:
            assert (await one.post(path, json={"email": known.email}, headers=elsewhere)).status_code == 202


async def test_a_failed_login_is_an_event_of_the_account_and_of_nobody_else(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    before = await auth_database.fetch_value("SELECT count(*) FROM audit_events")
    for login in (person.email, person.username, new_person().email):
        await try_password(auth, login)
    rows = await auth_database.fetch(
        "SELECT event, user_id, row_to_json(audit_events)::text AS text FROM audit_events"
        " ORDER BY at OFFSET $1",
        before,
    )
    user_id = await auth_database.fetch_value("SELECT id FROM users WHERE email = $1", person.email)
    assert [(row["event"], row["user_id"]) for row in rows] == [("login_failed", user_id)] * 2
    assert not any(person.email in row["text"] or person.username in row["text"] for row in rows)


async def test_refused_guesses_write_no_events(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = await register(auth)
    for _ in range(20):
        await try_password(auth, person.email)
    count = "SELECT count(*) FROM audit_events JOIN users ON users.id = user_id WHERE event = 'login_failed' AND email = $1"
    assert await auth_database.fetch_value(count, person.email) == 10


async def test_counters_name_nobody(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = await register(auth)
    await try_password(auth, person.email)
    rows = await auth_database.fetch(
        "SELECT row_to_json(attempt_counters)::text AS text FROM attempt_counters"
    )
    stored = "".join(row["text"] for row in rows)
    for name in (person.email, person.username, "127.0.0.1"):
        assert name not in stored
        assert name.encode().hex() not in stored
