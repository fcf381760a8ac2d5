"""The other methods of the sign-in page in a real Chromium: Google, a passkey, and a forgotten password."""

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from standins.openid_provider.provider import Provider
from standins.openid_provider.server import running_provider
from tests.contrast import CONTRASTS
from tests.documented import checking
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, register
from tests.services.auth.browsing import Landing, focused, landing_page, visiting
from tests.services.auth.google.visits import google_settings, somebody
from tests.services.auth.mail.mails import mails_to
from tests.services.auth.oidc.standard_client import Attempt
from tests.services.auth.passkeys.test_in_browser import CREATE
from tests.services.auth.second_factors.factors import new_app
from tests.services.auth.serving import serving
from webcommon.app.service import Service

pytestmark = pytest.mark.long

CLIENT = "payment-web"
SMALLEST_CONTRAST = 4.5
FORGOTTEN, GOOGLE, PASSKEY = "Forgotten your password?", "Sign in with Google", "Sign in with a passkey"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Auth under a host name, which passkeys need, with the stand-in for Google and a client."""

    issuer: str
    landing: Landing
    provider: Provider

    def attempt(self) -> tuple[Attempt, str]:
        """An authorization request of the client, and its URL."""
        self.landing.requests.clear()
        attempt = Attempt(client_id=CLIENT, redirect_uri=self.landing.url)
        return attempt, f"{self.issuer}/oauth2/authorize?{urlencode(attempt.parameters())}"

    async def finish(self, page: Page, attempt: Attempt) -> None:
        """Check that the browser is back, with a code that the client can exchange."""
        await expect(page.get_by_role("heading", level=1)).to_have_text("Back at the app")
        answer = self.landing.answer_given()
        assert (answer["state"], answer["iss"]) == (attempt.state, self.issuer)
        async with httpx.AsyncClient(base_url=self.issuer, event_hooks=checking("auth")) as client:
            assert (await attempt.exchange(client, answer["code"])).status_code == 200


@pytest.fixture(scope="module")
async def scene(auth_database: AuthDatabase) -> AsyncIterator[Scene]:
    async with landing_page() as landing, running_provider(redirect_uris=[], host="localhost") as provider:

        def make(url: str) -> Service:
            issuer = url.replace("127.0.0.1", "localhost")
            callback = f"{issuer}/v1/oauth/google/callback"
            provider.client = dataclasses.replace(provider.client, redirect_uris=(callback,))
            settings = google_settings(provider, auth_issuer=issuer, clients=f"{CLIENT}={landing.url}")
            return make_app(auth_database.settings, **settings)

        async with serving(make) as url:
            issuer = url.replace("127.0.0.1", "localhost")
            yield Scene(issuer=issuer, landing=landing, provider=provider)


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this name has the focus."""
    for _ in range(12):
        if await focused(page) == name:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name!r}")


async def test_by_keyboard_and_without_javascript_somebody_signs_in_with_google(
    chromium: Browser, scene: Scene, auth_database: AuthDatabase
) -> None:
    async with httpx.AsyncClient(base_url=scene.issuer, event_hooks=checking("auth")) as client:
        guarded = await new_app(client)
    email = guarded.person.email
    await auth_database.execute("UPDATE users SET email_verified = true WHERE email = $1", email)
    somebody(scene.provider, email=email)
    attempt, url = scene.attempt()
    async with visiting(chromium, url, java_script_enabled=False) as (page, complaints):
        await expect(page.get_by_role("button", name=PASSKEY)).to_be_hidden()
        await page.get_by_role("button", name=GOOGLE).focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name=email).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Code")).to_be_focused()
        await page.keyboard.type(guarded.code())
        await page.keyboard.press("Enter")
        await scene.finish(page, attempt)
        assert [text for text in complaints if "404" not in text] == []  # nobody here has an icon


async def test_errors_of_google_lead_to_the_page_and_from_there_to_the_app(
    chromium: Browser, scene: Scene
) -> None:
    _, url = scene.attempt()
    async with visiting(chromium, url) as (page, _):
        await page.get_by_role("button", name=GOOGLE).click()
        await page.wait_for_url(f"{scene.provider.issuer}/authorize?*")
        await page.go_back()
        await page.get_by_role("button", name=GOOGLE).click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("alert").first).to_contain_text("You cancelled at Google")
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Back at the app")
    assert scene.landing.answer_given()["error"] == "access_denied"


async def add_authenticator(page: Page) -> tuple[Any, str]:
    """A virtual authenticator, as if built into the device."""
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return cdp, added["authenticatorId"]


async def test_by_keyboard_somebody_signs_in_with_a_passkey(chromium: Browser, scene: Scene) -> None:
    attempt, url = scene.attempt()
    async with (
        visiting(chromium, url) as (page, complaints),
        httpx.AsyncClient(base_url=scene.issuer, event_hooks=checking("auth")) as client,
    ):
        cdp, authenticator = await add_authenticator(page)
        headers = bearer((await log_in(client, await register(client)))["access_token"])
        options = (await client.post("/v1/passkeys/register/options", headers=headers)).json()["public_key"]
        made = await page.evaluate(CREATE, {"options": options})
        added = await client.post("/v1/passkeys/register", json={"credential": made}, headers=headers)
        assert added.status_code == 201, added.text

        verified = {"authenticatorId": authenticator, "isUserVerified": False}
        await cdp.send("WebAuthn.setUserVerified", verified)
        await tab_to(page, PASSKEY)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text(
            "No passkey was used. Try again, or sign in another way."
        )
        await cdp.send("WebAuthn.setUserVerified", {**verified, "isUserVerified": True})
        await page.keyboard.press("Enter")  # the button still has the focus
        await scene.finish(page, attempt)
        assert complaints == []


async def test_by_keyboard_and_without_javascript_somebody_asks_for_a_new_password(
    chromium: Browser, scene: Scene
) -> None:
    _, url = scene.attempt()
    async with (
        visiting(chromium, url, java_script_enabled=False) as (page, complaints),
        httpx.AsyncClient(base_url=scene.issuer, event_hooks=checking("auth")) as client,
    ):
        person = await register(client)
        await page.get_by_role("link", name=FORGOTTEN).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        await page.keyboard.type(person.email)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("If there is an account with this address")
        assert complaints == []
        assert "/password/reset?token=" in (await mails_to(client, person.email))[0]["text"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_other_methods_are_legible_in_light_and_dark_and_large(
    chromium: Browser, scene: Scene, scheme: Literal["light", "dark"]
) -> None:
    _, url = scene.attempt()
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": 320, "height": 480}}
    async with visiting(chromium, url, **options) as (page, _):
        await page.context.set_offline(True)
        await page.get_by_role("button", name=PASSKEY).click()
        await expect(page.get_by_role("alert")).to_contain_text("No passkey was used")
        await page.context.set_offline(False)
        for _ in range(2):
            contrasts = await page.evaluate(CONTRASTS)
            assert contrasts
            assert [entry for entry in contrasts if entry[2] < SMALLEST_CONTRAST] == []
            assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
            await page.goto(f"{scene.issuer}/password/forgot")
