"""Sign-in with Google on the sign-in page of standard clients, redirect by redirect."""

import asyncio
from collections import Counter

import httpx
import pytest
from jose import jwt

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from standins.openid_provider.faults import Fault
from standins.openid_provider.provider import Person, Provider
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, make_app
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.google.visits import APP, CALLBACK, Browser, browser_of, google_settings, somebody
from tests.services.auth.oidc.standard_client import Attempt, answer_of, read_page_form
from tests.services.auth.oidc.test_sign_in_page_factor import send_code
from tests.services.auth.second_factors.factors import new_app
from webcommon.app.service import Service

BUTTON = "sign-in-google"


@pytest.fixture(autouse=True)
def _behave(provider: Provider) -> None:
    provider.faults.clear()


async def press(
    client: httpx.AsyncClient, page: httpx.Response, *, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Press the Google button of a page."""
    action, fields = read_page_form(page.text, to=BUTTON)
    return await client.post(page.url.join(action), data=fields, headers=headers)


async def set_out(browser: Browser, attempt: Attempt) -> str:
    """Open the page and press the button; gives the address at Google."""
    response = await press(browser.client, await attempt.open_page(browser.client))
    assert response.status_code == 200, response.text
    _, _, address = response.headers["refresh"].partition("; url=")
    return address


async def go(browser: Browser, attempt: Attempt, person: Person | None) -> httpx.Response:
    """The same, followed by the sign-in at Google and the callback."""
    return await browser.come_back(await browser.choose(await set_out(browser, attempt), person))


async def count(database: AuthDatabase, table: str) -> int:
    number: int = await database.fetch_value(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of these tests
    return number


async def test_the_client_gets_a_code_for_a_session_of_its_own(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    attempt, person = Attempt(scope="openid email"), somebody(provider)
    response = await go(browser, attempt, person)
    answer = answer_of(response)
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == attempt.state
    assert any(cookie.startswith("auth_device=") for cookie in response.headers.get_list("set-cookie"))
    stolen = await attempt.exchange(browser.client, answer["code"], code_verifier="A" * 43)
    assert stolen.json()["error"] == "invalid_grant", "the verifier is still the client's"
    tokens = (await attempt.exchange(browser.client, answer["code"])).json()
    claims = jwt.get_unverified_claims(tokens["id_token"])
    assert (claims["nonce"], claims["aud"], claims["email"]) == (
        attempt.nonce,
        attempt.client_id,
        person.email,
    )
    (session,) = await auth_database.fetch(
        "SELECT client_id, scope, amr FROM sessions JOIN users ON users.id = user_id WHERE email = $1",
        person.email,
    )
    assert tuple(session) == (attempt.client_id, "openid email", "google")


async def test_the_page_lets_its_forms_go_nowhere_else_and_has_the_button_with_google_only(
    browser: Browser, auth: httpx.AsyncClient
) -> None:
    page = await Attempt().open_page(browser.client)
    assert "form-action 'self' http://localhost:5100;" in page.headers["content-security-policy"]
    assert "Sign in with Google" not in (await Attempt().open_page(auth)).text


async def test_a_second_factor_is_asked_for_after_the_callback(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    guarded, attempt = await new_app(browser.client), Attempt(scope="openid")
    email = guarded.person.email
    await auth_database.execute("UPDATE users SET email_verified = true WHERE email = $1", email)
    before = await count(auth_database, "sessions")
    page = await go(browser, attempt, somebody(provider, email=email))
    assert (page.status_code, "location" in page.headers) == (200, False)
    assert await count(auth_database, "sessions") == before
    wrong = await send_code(browser.client, page, code="000000x")
    assert wrong.status_code == 401
    done = await send_code(browser.client, wrong, code=guarded.code())
    tokens = (await attempt.exchange(browser.client, answer_of(done)["code"])).json()
    assert tokens["scope"] == "openid"
    statement = "SELECT amr FROM sessions WHERE user_id = $1::uuid ORDER BY id DESC LIMIT 1"
    assert await auth_database.fetch_value(statement, guarded.user_id) == "google"


async def test_starts_are_limited_by_network(provider: Provider, new_auth_database: NewDatabase) -> None:
    database = await new_auth_database()
    settings = google_settings(provider, google_starts_per_network=3)
    async with (
        running(make_app(database.settings, **settings)) as one,
        running(make_app(database.settings, **settings)) as other,
    ):
        page = await Attempt().open_page(one)
        starts = [
            client.get("/v1/oauth/google/authorize", params={"redirect_to": APP})
            for client in [one, other] * 12
        ]
        answers = await asyncio.gather(*(press(one, page) for _ in range(26)), *starts)
        led = [answer for answer in answers if answer.status_code in (200, 302)]
        assert (len(led), Counter(answer.status_code for answer in answers)[429]) == (3, 47)
        assert await count(database, "oauth_states") == 3
        refused = next(answer for answer in answers[26:] if answer.status_code == 429)
        shown = await press(one, page)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-attempts")
    assert (shown.status_code, "Try again in 60 minutes." in shown.text) == (429, True)
    for answer in (refused, shown):
        assert 3_590 <= int(answer.headers["retry-after"]) <= 3_600


async def test_two_tabs_lead_each_to_its_own_client(browser: Browser, provider: Provider) -> None:
    person = somebody(provider)
    other = Attempt(client_id="l2p-web", redirect_uri="http://localhost:3001/callback", state="other")
    attempts = [Attempt(), other]
    addresses = [await set_out(browser, attempt) for attempt in attempts]
    for attempt, address in reversed(list(zip(attempts, addresses, strict=True))):
        response = await browser.come_back(await browser.choose(address, person))
        answer = answer_of(response, redirect_uri=attempt.redirect_uri)
        assert answer["state"] == attempt.state
        assert (await attempt.exchange(browser.client, answer["code"])).status_code == 200


async def test_twenty_concurrent_callbacks_make_one_session(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    way_back = await browser.choose(await set_out(browser, Attempt()), somebody(provider))
    before = [await count(auth_database, table) for table in ("sessions", "authorization_codes")]
    responses = await asyncio.gather(*(browser.come_back(way_back) for _ in range(20)))
    assert Counter(response.status_code for response in responses) == {303: 1, 403: 19}
    after = [await count(auth_database, table) for table in ("sessions", "authorization_codes")]
    assert after == [number + 1 for number in before]


async def test_a_form_or_callback_of_another_browser_is_refused(
    app: Service, browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    page = await Attempt().open_page(browser.client)
    way_back = await browser.choose(await set_out(browser, Attempt()), somebody(provider))
    before = [await count(auth_database, table) for table in ("oauth_states", "sessions")]
    async with browser_of(app) as victim:
        assert (await press(victim.client, page)).status_code == 403, "a form that another browser was shown"
        await Attempt().open_page(victim.client)
        assert (await press(victim.client, page)).status_code == 403, "though it has a page of its own"
        lured = await victim.come_back(way_back)
    foreign = await press(browser.client, page, headers={"origin": "https://evil.example"})
    for response in (lured, foreign):
        assert (response.status_code, "location" in response.headers) == (400, False)
    assert [await count(auth_database, table) for table in ("oauth_states", "sessions")] == before
    assert answer_of(await browser.come_back(way_back))["code"], "it was not used up either"


async def test_errors_are_shown_on_the_page_which_can_still_be_cancelled(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    unproven = somebody(provider, verified=False)
    disabled = somebody(provider)
    assert answer_of(await go(browser, Attempt(), disabled))["code"]
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", disabled.email)
    before = await count(auth_database, "sessions")
    for person, told in (
        (None, "You cancelled at Google"),
        (unproven, "Google has not verified your e-mail address"),
        (disabled, "This sign-in was refused"),
    ):
        page = await go(browser, Attempt(), person)
        assert (page.status_code, "location" in page.headers) == (403, False)
        assert f'role="alert" id="error">{told}' in page.text
        assert 'aria-invalid="true"' not in page.text, "nothing was typed"
    action, fields = read_page_form(page.text)
    back = await browser.client.post(page.url.join(action), data={**fields, "decision": "cancel"})
    assert answer_of(back)["error"] == "access_denied"
    assert await count(auth_database, "sessions") == before


async def test_an_outage_of_google_is_shown_at_the_start_and_at_the_callback(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    way_back = await browser.choose(await set_out(browser, Attempt()), somebody(provider))
    late = await browser.choose(await set_out(browser, Attempt()), somebody(provider))
    provider.faults.add(Fault.TOKENS_DOWN)
    away = await browser.come_back(way_back)
    assert (away.status_code, "Google does not answer" in away.text) == (503, True)
    used = await browser.come_back(way_back)
    assert "used already" in used.text
    await auth_database.execute(
        "UPDATE oauth_states SET created_at = created_at - interval '600 seconds',"
        " expires_at = expires_at - interval '600 seconds' WHERE used_at IS NULL"
    )
    assert "for too long" in (await browser.come_back(late)).text
    provider.faults.add(Fault.DISCOVERY_DOWN)
    async with running(make_app(auth_database.settings, **google_settings(provider))) as client:
        page = await press(client, await Attempt().open_page(client))
    assert (page.status_code, "Google does not answer" in page.text) == (503, True)


async def test_an_unregistered_client_gets_nobody(
    auth_database: AuthDatabase, browser: Browser, provider: Provider
) -> None:
    way_back = await browser.choose(await set_out(browser, Attempt()), somebody(provider))
    before = await count(auth_database, "sessions")
    changed = make_app(
        auth_database.settings, **google_settings(provider), clients="l2p-web=http://localhost:3001/callback"
    )
    async with running(changed) as client:
        client.cookies.update(browser.client.cookies)
        refused = await client.get(way_back)
    assert (refused.status_code, "location" in refused.headers) == (400, False)
    assert await count(auth_database, "sessions") == before


async def test_while_the_database_is_away_the_callback_is_a_page(provider: Provider) -> None:
    nowhere = DatabaseSettings(url=DatabaseUrl(user="nobody", hosts=(("127.0.0.1", 1),), database="nothing"))
    async with running(make_app(nowhere, **google_settings(provider))) as client:
        client.cookies.set("auth_google", "A" * 43)
        page = await client.get(CALLBACK, params={"state": "A" * 43, "code": "1"})
    assert page.status_code == 503
    assert page.headers["content-type"].startswith("text/html")
