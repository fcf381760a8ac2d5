"""Passkeys in a real Chromium with a virtual authenticator."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, CDPSession, Page

from tests.documented import checking
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, register
from tests.services.auth.second_factors.factors import new_app
from tests.services.auth.serving import serving

pytestmark = pytest.mark.long

PAGE = "/v1/revocations"
"""Any answer of the service will do: a page of its origin is what a script needs."""

CREATE = """async ({options}) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    try { return (await navigator.credentials.create({publicKey})).toJSON(); } catch (error) { return error.name; }
}"""

GET = """async ({options}) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    try { return (await navigator.credentials.get({publicKey})).toJSON(); } catch (error) { return error.name; }
}"""

POST = """async ({path, body, token}) => {
    const headers = {"Content-Type": "application/json", ...(token ? {Authorization: `Bearer ${token}`} : {})};
    const answer = await fetch(path, {method: "POST", headers, body: body && JSON.stringify(body)});
    return {status: answer.status, body: await answer.json()};
}"""


@pytest.fixture
async def site(auth_database: AuthDatabase) -> AsyncIterator[str]:
    def make(url: str) -> Any:
        return make_app(auth_database.settings, auth_issuer=url.replace("127.0.0.1", "localhost"))

    async with serving(make) as url:
        yield url.replace("127.0.0.1", "localhost")


class Visitor:
    """A browser's page on the site, and its authenticator."""

    def __init__(self, page: Page, cdp: CDPSession, authenticator: str) -> None:
        self.page, self.cdp, self.authenticator = page, cdp, authenticator

    async def post(self, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """The page's result of a request."""
        answer = await self.page.evaluate(POST, {"path": path, "body": body, "token": token})
        return answer["status"], answer["body"]

    async def add_passkey(self, token: str) -> tuple[int, Any]:
        """Make a passkey and register it."""
        status, body = await self.post("/v1/passkeys/register/options", token=token)
        assert status == 200, body
        made = await self.page.evaluate(CREATE, {"options": body["public_key"]})
        if isinstance(made, str):
            return 0, made
        return await self.post("/v1/passkeys/register", {"credential": made, "name": "Chromium"}, token=token)

    async def sign_in(self) -> tuple[int, Any]:
        """Let the browser sign in with a passkey."""
        status, body = await self.post("/v1/passkeys/login/options")
        assert status == 200, body
        assertion = await self.page.evaluate(GET, {"options": body["public_key"]})
        if isinstance(assertion, str):
            return 0, assertion
        return await self.post("/v1/passkeys/login", {"credential": assertion})

    async def credentials(self) -> list[Any]:
        """The authenticator's stored credentials, private keys included."""
        found = await self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        return list(found["credentials"])


async def visit(context: BrowserContext, site: str, *, verifies: bool = True) -> Visitor:
    """A page with an authenticator of its own, as if built into the device."""
    page = await context.new_page()
    await page.goto(site + PAGE)
    cdp = await context.new_cdp_session(page)
    await cdp.send("WebAuthn.enable")
    added = await cdp.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": verifies,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return Visitor(page, cdp, added["authenticatorId"])


@contextlib.asynccontextmanager
async def serving_stranger() -> AsyncIterator[str]:
    """Another party's page on the same host."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<!doctype html><title>Stranger</title>"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}/"


async def test_a_passkey_is_made_used_elsewhere_and_removed(
    chromium: Browser, site: str, auth_database: AuthDatabase
) -> None:
    async with (
        await chromium.new_context() as context,
        await chromium.new_context() as elsewhere,
        httpx.AsyncClient(base_url=site, event_hooks=checking("auth")) as client,
    ):
        person = await register(client)
        token = (await log_in(client, person))["access_token"]
        visitor = await visit(context, site)
        status, passkey = await visitor.add_passkey(token)
        assert (status, passkey["name"]) == (201, "Chromium")
        status, again = await visitor.add_passkey(token)
        assert (status, again) == (0, "InvalidStateError"), "the browser knows that it has one already"
        await new_app(client, person)
        status, answer = await visitor.sign_in()
        assert status == 200, answer
        assert answer["user"]["username"] == person.username

        (credential,) = await visitor.credentials()
        assert credential["rpId"] == urlsplit(site).hostname == "localhost"
        other = await visit(elsewhere, site)
        await other.cdp.send(
            "WebAuthn.addCredential", {"authenticatorId": other.authenticator, "credential": credential}
        )
        status, synced = await other.sign_in()
        assert status == 200, synced
        assert synced["user"]["id"] == answer["user"]["id"]

        stored = await auth_database.fetch_value(
            "SELECT sign_count FROM passkeys WHERE id = $1::uuid", passkey["id"]
        )
        assert stored > credential["signCount"], "each use counts"
        status, cloned = await visitor.sign_in()
        assert (status, cloned["type"]) == (401, "/problems/passkey-refused"), "a copy that counts apart"

        headers = bearer(synced["access_token"])
        removed = await client.delete(f"/v1/passkeys/{passkey['id']}", headers=headers)
        assert removed.status_code == 204
        status, refused = await other.sign_in()
        assert (status, refused["type"]) == (401, "/problems/passkey-refused")


async def test_an_unverified_user_gets_no_assertion(chromium: Browser, site: str) -> None:
    async with (
        await chromium.new_context() as context,
        httpx.AsyncClient(base_url=site, event_hooks=checking("auth")) as client,
    ):
        token = (await log_in(client, await register(client)))["access_token"]
        visitor = await visit(context, site)
        assert (await visitor.add_passkey(token))[0] == 201
        await visitor.cdp.send(
            "WebAuthn.setUserVerified",
            {"authenticatorId": visitor.authenticator, "isUserVerified": False},
        )
        assert (await visitor.sign_in())[0] == 0


async def test_a_page_of_another_origin_gets_no_session(chromium: Browser, site: str) -> None:
    async with (
        await chromium.new_context() as context,
        httpx.AsyncClient(base_url=site, event_hooks=checking("auth")) as client,
    ):
        token = (await log_in(client, await register(client)))["access_token"]
        visitor = await visit(context, site)
        assert (await visitor.add_passkey(token))[0] == 201
        options = (await client.post("/v1/passkeys/login/options")).json()["public_key"]
        async with serving_stranger() as stranger:
            # On one host the domain of passkeys is the same; only the port, and so the origin, is another.
            await visitor.page.goto(stranger)
            assertion = await visitor.page.evaluate(GET, {"options": options})
        response = await client.post("/v1/passkeys/login", json={"credential": assertion})
        assert response.status_code == 401, "the browser signs, but for whom it signs is in what it signed"
