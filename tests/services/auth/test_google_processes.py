"""Signing in with Google at two processes of Auth, and what they write into their logs meanwhile."""

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from standins.openid_provider.faults import Fault
from tests.processes import two_processes
from tests.services.auth.accounts import AuthDatabase, bearer, refresh
from tests.services.auth.google_visits import (
    Browser,
    answer_of,
    google_environment,
    google_standin,
    somebody,
)
from tests.services.auth.processes import auth_process


@pytest.mark.long
async def test_two_processes_settle_who_was_first(auth_database: AuthDatabase, tmp_path: Path) -> None:
    async with google_standin() as provider:
        settings = google_environment(provider)
        async with two_processes(
            "auth", auth_database.settings, AUTH_MAIL_FOLDER=str(tmp_path), **settings
        ) as (one, other):
            browsers = (Browser(one.client), Browser(other.client))
            person = somebody(provider)
            ways = [await browsers[0].choose(await browsers[0].begin(), person) for _ in range(30)]
            other.client.cookies.update(one.client.cookies)

            # One way back twenty times: one session.
            repeated = await asyncio.gather(
                *(browsers[number % 2].come_back(ways[0]) for number in range(20))
            )
            answers = [answer_of(response.headers["location"]) for response in repeated]
            assert Counter(next(iter(answer)) for answer in answers) == {"code": 1, "error": 19}
            sessions = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1"
            assert await auth_database.fetch_value(sessions, person.email) == 1

            # Its code twenty times: one pair, and the session that two may have had is over.
            (code,) = [answer["code"] for answer in answers if "code" in answer]
            exchanges = await asyncio.gather(*(browsers[number % 2].exchange(code) for number in range(20)))
            assert Counter(response.status_code for response in exchanges) == {200: 1, 410: 19}


@pytest.mark.long
async def test_two_processes_make_one_account_of_many_first_sign_ins(
    auth_database: AuthDatabase, tmp_path: Path
) -> None:
    async with google_standin() as provider:
        settings = google_environment(provider)
        async with two_processes(
            "auth", auth_database.settings, AUTH_MAIL_FOLDER=str(tmp_path), **settings
        ) as (one, other):
            browsers = (Browser(one.client), Browser(other.client))
            person = somebody(provider)
            ways = [await browsers[0].choose(await browsers[0].begin(), person) for _ in range(30)]
            other.client.cookies.update(one.client.cookies)
            returns = await asyncio.gather(
                *(browsers[number % 2].come_back(way) for number, way in enumerate(ways))
            )
            answers = [answer_of(response.headers["location"]) for response in returns]
            assert [set(answer) for answer in answers] == [{"code"}] * 30
            users = await auth_database.fetch("SELECT id FROM users WHERE email = $1", person.email)
            assert len(users) == 1
            links = "SELECT count(*) FROM oauth_accounts WHERE provider_account_id = $1"
            assert await auth_database.fetch_value(links, person.subject) == 1
            exchanges = await asyncio.gather(
                *(
                    browsers[(number + 1) % 2].exchange(answer["code"])
                    for number, answer in enumerate(answers)
                )
            )
            assert Counter(response.status_code for response in exchanges) == {200: 30}


@pytest.mark.long
async def test_nothing_secret_of_a_sign_in_is_logged(auth_database: AuthDatabase, tmp_path: Path) -> None:
    log = tmp_path / "log"
    secrets: set[str] = set()
    async with google_standin() as provider:
        settings = google_environment(provider) | {"LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
        async with auth_process(auth_database, folder=tmp_path, log=str(log), **settings) as replica:
            browser = Browser(replica.client)
            slow = {Fault.TOKENS_SLOW, Fault.TOKENS_DRIPPING}
            faults = [None, *(fault for fault in Fault if fault not in slow)]
            for fault in faults:
                provider.faults = set() if fault is None else {fault}
                location = await browser.begin(code_challenge="c" * 43)
                secrets |= {value for name, value in answer_of(location).items() if name in _SECRET}
                location = await browser.visit(somebody(provider))
                if "code" in answer_of(location):
                    secrets.add(answer_of(location)["code"])
                    answer = (await browser.exchange(answer_of(location)["code"])).json()
                    secrets |= {answer["access_token"], answer["refresh_token"]}
                    await browser.client.get("/v1/oauth/accounts", headers=bearer(answer["access_token"]))
                    await refresh(browser.client, answer["refresh_token"])
            secrets |= {cookie.value for cookie in browser.client.cookies.jar if cookie.value}
            secrets |= {provider.client.secret, *provider.issued}
    text = log.read_text()
    assert "a sign-in with Google came to nothing" in text
    assert "/v1/oauth/google/callback" in text
    assert len(secrets) > 2 * len(faults)
    assert [secret for secret in secrets if secret in text] == []
    assert not re.search(r"[?&](code|state)=", text)


_SECRET = frozenset({"state", "nonce", "code_challenge"})
