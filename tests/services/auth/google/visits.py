"""Sign-ins with Google by a browser, redirect by redirect, with the stand-in for Google."""

import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from pydantic import SecretStr

from standins.openid_provider.provider import Person, Provider
from standins.openid_provider.server import running_provider
from tests.documented import checking
from webcommon.app.service import Service

APP = "http://localhost:3000/signed-in"
"""The return target of these tests."""

CALLBACK = "http://localhost:5500/v1/oauth/google/callback"

_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def google_standin() -> AsyncIterator[Provider]:
    """The provider, with Auth as its client."""
    async with running_provider(redirect_uris=[CALLBACK]) as provider:
        yield provider


def google_settings(provider: Provider, **changed: Any) -> dict[str, Any]:
    """The settings of an Auth that uses the stand-in as Google."""
    return {
        "google_issuer": provider.issuer,
        "google_client_id": provider.client.id,
        "google_client_secret": SecretStr(provider.client.secret),
        **changed,
    }


def google_environment(provider: Provider) -> dict[str, str]:
    """The same for a process."""
    return {
        "GOOGLE_ISSUER": provider.issuer,
        "GOOGLE_CLIENT_ID": provider.client.id,
        "GOOGLE_CLIENT_SECRET": provider.client.secret,
    }


def somebody(provider: Provider, *, email: str | None = "", verified: bool = True, name: str = "") -> Person:
    """A new Google account."""
    number = next(_numbers)
    return provider.add(
        Person(
            subject=str(10**20 + secrets.randbelow(10**20)),
            email=f"visitor{number}@example.com" if email == "" else email,
            email_verified=verified,
            name=name or f"Visitor {number}",
        )
    )


def answer_of(location: str) -> dict[str, str]:
    """The query parameters of a URL."""
    return dict(parse_qsl(urlsplit(location).query))


class Browser:
    """A browser with its own cookies. `client` calls Auth."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def begin(self, redirect_to: str = APP, **query: str) -> str:
        """Start a sign-in; gives the URL at Google."""
        response = await self.client.get(
            "/v1/oauth/google/authorize", params={"redirect_to": redirect_to, **query}
        )
        assert response.status_code == 302, response.text
        return response.headers["location"]

    async def choose(self, address: str, person: Person | None) -> str:
        """Sign in at Google, or (None) press Cancel; gives path and query of the callback."""
        async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 - plain http, without loading certificates
            if person is None:
                response = await client.post(address, data={"deny": "1"})
            else:
                response = await client.post(address, data={"person": person.subject})
        assert response.status_code == 302, response.text
        location: str = response.headers["location"]
        assert location.startswith(CALLBACK)
        return location.removeprefix("http://localhost:5500")

    async def come_back(self, way_back: str) -> httpx.Response:
        """Open the callback."""
        return await self.client.get(way_back)

    async def visit(self, person: Person | None, redirect_to: str = APP, **query: str) -> str:
        """The whole sign-in; gives the URL that Auth redirects to at last."""
        way_back = await self.choose(await self.begin(redirect_to, **query), person)
        response = await self.come_back(way_back)
        assert response.status_code == 302, response.text
        return response.headers["location"]

    async def visit_for(self, person: Person | None, redirect_to: str = APP, **query: str) -> dict[str, str]:
        """The same; gives the code."""
        return answer_of(await self.visit(person, redirect_to, **query))

    async def exchange(self, code: str, **body: str) -> httpx.Response:
        """Exchange a code."""
        return await self.client.post("/v1/oauth/exchange", json={"code": code, **body})

    async def sign_in(self, person: Person) -> dict[str, Any]:
        """The tokens of a successful sign-in."""
        response = await self.exchange((await self.visit_for(person))["code"])
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@contextlib.asynccontextmanager
async def browser_of(app: Service) -> AsyncIterator[Browser]:
    """A browser without cookies, for a running application."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", event_hooks=checking(app)
    ) as client:
        yield Browser(client)
