"""A standard client, and a person at the sign-in page, without a browser."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
from jose import jwt

from tests.services.auth.auth_app import AuthDatabase, Person

ISSUER = "http://localhost:5500"
CLIENT = "videovault-web"
REDIRECT_URI = "http://localhost:5100/callback"
Pair = tuple[httpx.AsyncClient, httpx.AsyncClient]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.found.append((attributes.get("action") or "", {}))
        elif tag == "input":
            self.found[-1][1][attributes.get("name") or ""] = attributes.get("value") or ""


def read_page_form(page: str, *, to: str = "") -> tuple[str, dict[str, str]]:
    """Action and fields of the first form of a page, or of the form for a named route."""
    forms = _Forms()
    forms.feed(page)
    return next(found for found in forms.found if found[0].endswith(to))


def answer_of(response: httpx.Response, *, redirect_uri: str = REDIRECT_URI) -> dict[str, str]:
    """The parameters of a redirect to the client."""
    assert response.status_code in (302, 303), response.text
    location = response.headers["location"]
    assert location.startswith(redirect_uri + "?")
    pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An authorization request of a client, with its verifier."""

    client_id: str = CLIENT
    redirect_uri: str = REDIRECT_URI
    scope: str = "openid profile email"
    state: str = "a state & more = %2B+"
    nonce: str = "n-0S6_WzA2Mj"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    def parameters(self, **changed: str | None) -> dict[str, str]:
        """The query; `changed` replaces some parameters, None removes one."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changed,
        }
        return {name: value for name, value in asked.items() if value is not None}

    async def open_page(self, browser: httpx.AsyncClient, **changed: str | None) -> httpx.Response:
        """The response to the request."""
        return await browser.get("/oauth2/authorize", params=self.parameters(**changed))

    async def sign_in(self, browser: httpx.AsyncClient, person: Person, **changed: str) -> httpx.Response:
        """Open the page, fill in its form and submit it; `changed` replaces fields."""
        return await send_page(browser, await self.open_page(browser), person, changed)

    async def get_code(self, browser: httpx.AsyncClient, person: Person) -> str:
        """The code of a sign-in of the person."""
        return answer_of(await self.sign_in(browser, person), redirect_uri=self.redirect_uri)["code"]

    def grant(self, code: str, /, **changed: str | None) -> dict[str, str]:
        """The form that exchanges a code."""
        asked: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code": code,
            "code_verifier": self.verifier,
            **changed,
        }
        return {name: value for name, value in asked.items() if value is not None}

    async def exchange(
        self, client: httpx.AsyncClient, code: str, /, **changed: str | None
    ) -> httpx.Response:
        """The response to the exchange of a code."""
        return await client.post("/oauth2/token", data=self.grant(code, **changed))

    async def get_tokens(self, browser: httpx.AsyncClient, person: Person) -> dict[str, str]:
        """The tokens of a session of the client."""
        response = await self.exchange(browser, await self.get_code(browser, person))
        assert response.status_code == 200, response.text
        tokens: dict[str, str] = response.json()
        return tokens


async def send_page(
    browser: httpx.AsyncClient,
    page: httpx.Response,
    person: Person,
    changed: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Fill in the form of a page and submit it; `changed` replaces fields."""
    assert page.status_code in (200, 401, 403), page.text
    action, fields = read_page_form(page.text)
    filled = {
        **fields,
        "login": person.email,
        "password": person.password,
        "decision": "allow",
        **(changed or {}),
    }
    return await browser.post(page.url.join(action), data=filled, headers=headers)


def session_of(tokens: dict[str, Any]) -> UUID:
    """The session that the tokens belong to."""
    return UUID(jwt.get_unverified_claims(tokens["access_token"])["sid"])


async def end_reason(database: AuthDatabase, session: UUID) -> Any:
    """Why the session ended; None while it lasts."""
    return await database.fetch_value("SELECT end_reason FROM sessions WHERE id = $1", session)


async def refresh_as(client: httpx.AsyncClient, token: str, *, client_id: str = CLIENT) -> httpx.Response:
    """The response to a refresh at the token endpoint."""
    grant = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
    return await client.post("/oauth2/token", data=grant)
