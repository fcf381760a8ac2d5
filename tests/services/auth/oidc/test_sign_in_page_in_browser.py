"""The sign-in page in a real Chromium: by keyboard, without JavaScript, in light and dark."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.contrast import CONTRASTS
from tests.documented import checking
from tests.services.auth.auth_app import AuthDatabase, Person, make_app, register
from tests.services.auth.browsing import Landing, focused, landing_page, visiting
from tests.services.auth.oidc.standard_client import Attempt
from tests.services.auth.serving import serving

pytestmark = pytest.mark.long

CLIENT = "payment-web"
SMALLEST_CONTRAST = 4.5


@pytest.fixture
async def landing() -> AsyncIterator[Landing]:
    async with landing_page() as landing:
        yield landing


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An account, and an authorization request of a client."""

    issuer: str
    person: Person
    attempt: Attempt
    landing: Landing

    @property
    def url(self) -> str:
        """The URL of the authorization request."""
        return f"{self.issuer}/oauth2/authorize?{urlencode(self.attempt.parameters())}"

    def answer(self) -> dict[str, str]:
        """The parameters that the client got."""
        return self.landing.answer_given()


@pytest.fixture
async def scene(auth_database: AuthDatabase, landing: Landing) -> AsyncIterator[Scene]:
    clients = f"{CLIENT}={landing.url}"
    async with (
        serving(lambda url: make_app(auth_database.settings, auth_issuer=url, clients=clients)) as issuer,
        httpx.AsyncClient(base_url=issuer, event_hooks=checking("auth")) as client,
    ):
        attempt = Attempt(client_id=CLIENT, redirect_uri=landing.url)
        yield Scene(issuer=issuer, person=await register(client), attempt=attempt, landing=landing)


async def test_by_keyboard_and_without_javascript_somebody_signs_in(chromium: Browser, scene: Scene) -> None:
    async with visiting(chromium, scene.url, java_script_enabled=False) as (page, complaints):
        keyboard = page.keyboard
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Payments")
        await keyboard.type(scene.person.email)  # the first field has the focus
        await keyboard.press("Tab")
        await keyboard.type("not the password")
        await keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("The login or the password is wrong")
        login = page.get_by_label("E-mail address or username")
        await expect(login).to_have_value(scene.person.email)
        await expect(login).to_have_accessible_description(
            "The login or the password is wrong. Check both, and sign in again."
        )
        await expect(page.get_by_label("Password")).to_have_value("")
        await keyboard.type(scene.person.password)  # now the password has it
        await keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Back at the app")
        assert [text for text in complaints if "401" not in text] == []
    answer = scene.answer()
    assert (answer["state"], answer["iss"]) == (scene.attempt.state, scene.issuer)
    assert "referer" not in scene.landing.arrival().lower()
    async with httpx.AsyncClient(base_url=scene.issuer, event_hooks=checking("auth")) as client:
        assert (await scene.attempt.exchange(client, answer["code"])).status_code == 200


async def test_the_focus_goes_through_the_form_in_order(chromium: Browser, scene: Scene) -> None:
    async with visiting(chromium, scene.url) as (page, _):
        order = [await focused(page)]
        for _ in range(3):
            await page.keyboard.press("Tab")
            order.append(await focused(page))
        assert order == ["login", "password", "Sign in to Payments", "Cancel"]
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Back at the app")
    assert scene.answer()["error"] == "access_denied"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_legible_in_light_and_dark_and_large(
    chromium: Browser, scene: Scene, scheme: Literal["light", "dark"]
) -> None:
    # 200 % of a window 640 wide is a window 320 wide.
    options = {"color_scheme": scheme, "viewport": {"width": 320, "height": 480}}
    async with visiting(chromium, scene.url, **options) as (page, complaints):
        await page.get_by_label("E-mail address or username").fill("nobody")
        await page.get_by_label("Password").fill("not the password")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        contrasts = await page.evaluate(CONTRASTS)
        assert contrasts
        assert [entry for entry in contrasts if entry[2] < SMALLEST_CONTRAST] == []
        backdrop = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        red = int(backdrop.removeprefix("rgb(").split(",")[0])
        assert (red > 200) == (scheme == "light")
        assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert [text for text in complaints if "401" not in text] == []


async def test_a_page_of_another_site_cannot_sign_the_browser_in(chromium: Browser, scene: Scene) -> None:
    async with httpx.AsyncClient(base_url=scene.issuer, event_hooks=checking("auth")) as attacker:
        page = await scene.attempt.open_page(attacker)
    form = page.text[page.text.index("<form") :].replace(
        'action="sign-in"', f'action="{scene.issuer}/oauth2/sign-in"'
    )
    filled = form.replace('name="login" value=""', f'name="login" value="{scene.person.email}"').replace(
        'name="password" type="password"', f'name="password" value="{scene.person.password}"'
    )
    async with visiting(chromium, scene.landing.url.replace("/callback", "/evil")) as (victim, _):
        await victim.set_content(filled)
        await victim.get_by_role("button", name="Sign in").click()
        await expect(victim.get_by_role("heading", level=1)).to_have_text("You cannot sign in from here")
    assert not any(head.startswith("GET /callback") for head in scene.landing.requests)


async def test_a_request_in_another_sites_form_leaves_the_page_of_another_tab_alone(
    chromium: Browser, scene: Scene
) -> None:
    longest = Attempt(client_id=CLIENT, redirect_uri=scene.landing.url, state="%" * 2048, nonce="%" * 512)
    fields = "".join(
        f'<input name="{name}" value="{value}">'
        for name, value in longest.parameters(login_hint="\U0001f511" * 320).items()
    )
    form = f'<form method="post" action="{scene.issuer}/oauth2/authorize">{fields}<button>Sign in</button></form>'
    async with visiting(chromium, scene.url) as (page, _):
        tab = await page.context.new_page()
        await tab.goto(scene.landing.url.replace("/callback", "/app"))
        await tab.set_content(form)
        await tab.get_by_role("button", name="Sign in").click()
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Sign in to Payments")
        for each in (page, tab):
            await each.get_by_label("E-mail address or username").fill(scene.person.email)
            await each.get_by_label("Password").fill(scene.person.password)
            await each.get_by_role("button", name="Sign in").click()
            await expect(each.get_by_role("heading", level=1)).to_have_text("Back at the app")
    assert scene.answer()["state"] == scene.attempt.state


_CALL = """
    async ([path, body]) => {
        const answer = await fetch(path, {
            method: "POST",
            credentials: "include",
            headers: {"Content-Type": "application/json"},
            body: body && JSON.stringify(body),
        });
        return [answer.status, answer.status === 204 ? {} : await answer.json(), document.cookie];
    }
"""


async def test_a_page_refreshes_by_a_cookie_that_it_cannot_read(chromium: Browser, scene: Scene) -> None:
    issuer = scene.issuer.replace("127.0.0.1", "localhost")
    body = {"login": scene.person.email, "password": scene.person.password}
    async with visiting(chromium, f"{issuer}/livez") as (page, _):
        status, answer, readable = await page.evaluate(_CALL, ["/v1/auth/login?transport=cookie", body])
        assert (status, readable) == (200, "")
        assert "refresh_token" not in answer
        for _ in range(2):
            status, answer, _ = await page.evaluate(_CALL, ["/v1/auth/refresh", None])
            assert (status, set(answer)) == (200, {"access_token", "token_type", "expires_in"})
        cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
        cookie = cookies["__Host-quartet_refresh"]
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
        assert (await page.evaluate(_CALL, ["/v1/auth/logout", None]))[0] == 204
        names = {cookie["name"] for cookie in await page.context.cookies()}
        assert "__Host-quartet_refresh" not in names
        assert (await page.evaluate(_CALL, ["/v1/auth/refresh?transport=cookie", None]))[0] == 401
