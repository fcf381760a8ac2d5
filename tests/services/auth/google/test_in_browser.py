"""Sign-in with Google in a real Chromium, with app, Auth and provider on three sites."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from standins.openid_provider.provider import Provider
from standins.openid_provider.server import running_provider
from tests.services.auth.auth_app import AuthDatabase, make_app
from tests.services.auth.google.visits import google_settings, somebody
from tests.services.auth.serving import serving
from webcommon.app.service import Service

pytestmark = pytest.mark.long

BEGIN = """async (auth) => {
    const encode = (bytes) => btoa(String.fromCharCode(...bytes))
        .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const verifier = encode(crypto.getRandomValues(new Uint8Array(32)));
    sessionStorage.setItem("verifier", verifier);
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const query = new URLSearchParams({
        redirect_to: `${location.origin}/signed-in`, code_challenge: encode(new Uint8Array(digest)),
    });
    location.assign(`${auth}/v1/oauth/google/authorize?${query}`);
}"""

FINISH = """async (auth) => {
    const code = new URLSearchParams(location.search).get("code");
    const response = await fetch(`${auth}/v1/oauth/exchange`, {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({code, code_verifier: sessionStorage.getItem("verifier")}),
    });
    return await response.json();
}"""


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running_provider(redirect_uris=[], host="localhost") as standin:
        yield standin


@pytest.fixture
async def app_url() -> AsyncIterator[str]:
    """The app: the same page for every request."""
    body = b"<!doctype html><title>App</title><h1>The app</h1>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def auth_url(auth_database: AuthDatabase, provider: Provider, app_url: str) -> AsyncIterator[str]:
    def make(url: str) -> Service:
        callback = f"{url}/v1/oauth/google/callback"
        provider.client = dataclasses.replace(provider.client, redirect_uris=(callback,))
        settings = google_settings(
            provider, google_redirect_urls=app_url, cors_origins=app_url, auth_issuer=url
        )
        return make_app(auth_database.settings, **settings)

    async with serving(make) as url:
        yield url


@pytest.fixture
async def page(chromium: Browser, app_url: str) -> AsyncIterator[Page]:
    """A browser that shows the app."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"{app_url}/")
    yield page
    await context.close()


async def test_somebody_signs_in_to_an_app_on_another_site(
    page: Page, auth_url: str, app_url: str, provider: Provider
) -> None:
    person = somebody(provider)
    visited: list[str] = []
    page.on("request", lambda request: visited.append(request.url))
    await page.evaluate(BEGIN, auth_url)
    await page.get_by_role("button", name=str(person.email)).click()
    await page.wait_for_url(f"{app_url}/signed-in?code=*")
    answer: dict[str, Any] = await page.evaluate(FINISH, auth_url)
    assert answer["user"]["email"] == person.email
    (cookie,) = [each for each in await page.context.cookies(auth_url) if each["name"] == "auth_device"]
    assert cookie["httpOnly"]
    assert f"{auth_url}/v1/oauth/google/callback" in {url.partition("?")[0] for url in visited}
    for token in (answer["access_token"], answer["refresh_token"]):
        assert not any(token in url for url in visited)


async def test_a_device_stays_recognised_after_a_sign_in_with_google(
    page: Page, auth_url: str, app_url: str, provider: Provider
) -> None:
    person = somebody(provider)
    devices = []
    for _ in range(2):
        await page.goto(f"{app_url}/")
        await page.evaluate(BEGIN, auth_url)
        await page.get_by_role("button", name=str(person.email)).click()
        await page.wait_for_url(f"{app_url}/signed-in?code=*")
        cookies = await page.context.cookies(auth_url)
        devices += [each["value"] for each in cookies if each["name"] == "auth_device"]
    assert len(devices) == 2
    assert len(set(devices)) == 1


async def test_the_victim_of_a_login_csrf_gets_an_explanation(
    page: Page, chromium: Browser, auth_url: str, provider: Provider
) -> None:
    await page.evaluate(BEGIN, auth_url)
    await page.wait_for_url(f"{provider.issuer}/authorize?*")
    async with httpx.AsyncClient() as client:
        response = await client.post(page.url, data={"person": somebody(provider).subject})
    lured = await chromium.new_context()
    try:
        victim = await lured.new_page()
        shown = await victim.goto(response.headers["location"])
        assert shown is not None
        assert shown.status == 400
        await expect(victim.get_by_role("alert")).to_contain_text("not started in this browser")
    finally:
        await lured.close()
