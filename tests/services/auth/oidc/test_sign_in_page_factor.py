"""The sign-in page for accounts with a second factor."""

import asyncio

import httpx
import pytest

from tests.services.auth.auth_app import AuthDatabase
from tests.services.auth.oidc.standard_client import Attempt, answer_of, read_page_form
from tests.services.auth.second_factors.factors import App, begin_app, confirm, finish, problem


async def ask_for_code(browser: httpx.AsyncClient, app: App, attempt: Attempt) -> httpx.Response:
    """The page that comes after the password."""
    page = await attempt.sign_in(browser, app.person)
    assert page.status_code == 200, page.text
    return page


async def send_code(browser: httpx.AsyncClient, page: httpx.Response, **fields: str) -> httpx.Response:
    """Fill in the form of that page and submit it."""
    action, given = read_page_form(page.text)
    return await browser.post(page.url.join(action), data={**given, "decision": "allow", **fields})


@pytest.fixture
async def app(auth: httpx.AsyncClient) -> App:
    return await confirm(auth, await begin_app(auth))


async def count_client_sessions(database: AuthDatabase, app: App) -> int:
    count: int = await database.fetch_value(
        "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1 AND client_id <> 'quartet'",
        app.person.email,
    )
    return count


async def test_a_code_finishes_the_sign_in(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, app: App
) -> None:
    attempt = Attempt(scope="openid email")
    page = await ask_for_code(auth, app, attempt)
    assert "location" not in page.headers
    assert await count_client_sessions(auth_database, app) == 0
    wrong = await send_code(auth, page, code="000000x")
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    code = answer_of(await send_code(auth, wrong, code=app.code()))["code"]
    tokens = (await attempt.exchange(auth, code)).json()
    assert tokens["scope"] == "openid email"
    assert await count_client_sessions(auth_database, app) == 1


async def test_a_recovery_code_does_too_and_cancelling_does_not(auth: httpx.AsyncClient, app: App) -> None:
    attempt = Attempt()
    page = await ask_for_code(auth, app, attempt)
    assert answer_of(await send_code(auth, page, decision="cancel"))["error"] == "access_denied"
    done = await send_code(auth, page, code=app.recovery_codes[0])
    assert (await attempt.exchange(auth, answer_of(done)["code"])).status_code == 200


async def test_twenty_concurrent_submissions_make_one_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, app: App
) -> None:
    page = await ask_for_code(auth, app, Attempt())
    responses = await asyncio.gather(*(send_code(auth, page, code=app.code()) for _ in range(20)))
    assert [response.status_code for response in responses].count(303) == 1
    assert await count_client_sessions(auth_database, app) == 1


async def test_a_challenge_of_another_sign_in_is_refused(auth: httpx.AsyncClient, app: App) -> None:
    page = await ask_for_code(auth, app, Attempt())
    person = app.person
    login = await auth.post("/v1/auth/login", json={"login": person.email, "password": person.password})
    other = await ask_for_code(auth, app, Attempt(scope="openid"))
    for token in (login.json()["mfa_token"], read_page_form(other.text)[1]["mfa_token"], "nonsense"):
        refused = await send_code(auth, page, mfa_token=token, code=app.code())
        assert (refused.status_code, "location" in refused.headers) == (401, False)
        assert "password" in read_page_form(refused.text)[1], "it begins again"
    assert answer_of(await send_code(auth, page, code=app.code()))["code"]


async def test_a_clients_challenge_gives_no_tokens_without_a_code_and_its_verifier(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, app: App
) -> None:
    page = await ask_for_code(auth, app, Attempt())
    token = read_page_form(page.text)[1]["mfa_token"]
    assert problem(await finish(auth, token, app.code())) == (401, "login-expired")
    assert await count_client_sessions(auth_database, app) == 0
    assert answer_of(await send_code(auth, page, code=app.code()))["code"], "it is still the page's"


async def test_guesses_at_the_code_are_throttled(auth: httpx.AsyncClient, app: App) -> None:
    page = await ask_for_code(auth, app, Attempt())
    guesses = [send_code(auth, page, code=f"guess-{number}") for number in range(30)]
    statuses = [response.status_code for response in await asyncio.gather(*guesses)]
    assert statuses.count(401) <= 10
    assert set(statuses) == {401, 429}
