"""The provider over HTTP."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from html import escape
from urllib.parse import parse_qsl, unquote_plus, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from standins.openid_provider.faults import Fault
from standins.openid_provider.provider import (
    Person,
    Provider,
    RequestRefused,
    TokensRefused,
    UnknownClient,
)

SLOW_SECONDS = 60
"""Longer than the timeout of any client."""

DRIP_SECONDS = 0.5
"""Pause between two bytes of an endless response, shorter than any read timeout."""

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class _Repeated(Exception):
    """A parameter is repeated (RFC 6749, section 3.1)."""


def create_app(provider: Provider) -> Starlette:
    """The application of a provider."""
    endpoints = _Endpoints(provider)
    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", endpoints.describe),
            Route("/keys", endpoints.publish_keys),
            Route("/authorize", endpoints.authorize, methods=["GET", "POST"]),
            Route("/token", endpoints.give_tokens, methods=["POST"]),
            Route("/revoke", endpoints.revoke, methods=["POST"]),
        ]
    )


class _Endpoints:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def describe(self, request: Request) -> Response:
        """The discovery document."""
        self._provider.count("discovery")
        if Fault.DISCOVERY_DOWN in self._provider.faults:
            return Response(status_code=503)
        return JSONResponse(self._provider.describe(), headers={"Cache-Control": "public, max-age=3600"})

    async def publish_keys(self, request: Request) -> Response:
        """The public keys."""
        self._provider.count("keys")
        if Fault.KEYS_DOWN in self._provider.faults:
            return Response(status_code=503)
        return JSONResponse(self._provider.keys.publish(), headers={"Cache-Control": "public, max-age=300"})

    async def authorize(self, request: Request) -> Response:
        """Let the person choose an account, then redirect with a code. `login_hint` chooses one without asking."""
        self._provider.count("authorize")
        try:
            query = _read_pairs(request.url.query)
            checked = self._provider.check_request(query)
        except (UnknownClient, _Repeated) as error:
            return HTMLResponse(f"<!doctype html><title>Error 400</title><p>{escape(str(error))}", 400)
        except RequestRefused as error:
            return _redirect(query, {"error": error.code, "error_description": str(error)})
        form = _read_pairs((await request.body()).decode()) if request.method == "POST" else {}
        if "deny" in form:
            return _redirect(query, {"error": "access_denied"})
        hint = form.get("person") or query.get("login_hint") or ""
        person = self._provider.find_person(hint)
        if person is None:
            return HTMLResponse(_choose_account(list(self._provider.people.values())))
        return _redirect(query, {"code": self._provider.grant(checked, person)})

    async def give_tokens(self, request: Request) -> Response:
        """Tokens for a code."""
        self._provider.count("token")
        broken = await self._simulate_faults()
        if broken is not None:
            return broken
        try:
            form = await _read_form(request)
            client_id, client_secret = _read_client(request, form)
            answer = self._provider.redeem(form, client_id=client_id, client_secret=client_secret)
        except TokensRefused as error:
            body = {"error": error.code, "error_description": str(error)}
            headers = _NO_STORE | ({"WWW-Authenticate": "Basic"} if error.status == 401 else {})
            return JSONResponse(body, error.status, headers=headers)
        return JSONResponse(answer, headers=_NO_STORE)

    async def revoke(self, request: Request) -> Response:
        """Revoke a token."""
        self._provider.count("revoke")
        try:
            self._provider.revoke((await _read_form(request)).get("token", ""))
        except TokensRefused as error:
            return JSONResponse({"error": error.code}, error.status)
        return Response(status_code=200)

    async def _simulate_faults(self) -> Response | None:
        faults = self._provider.faults
        if Fault.TOKENS_SLOW in faults:
            await asyncio.sleep(SLOW_SECONDS)
        if Fault.TOKENS_DOWN in faults:
            return Response(status_code=503)
        if Fault.TOKENS_GARBLED in faults:
            return Response(b'{"id_token": ', media_type="application/json")
        if Fault.TOKENS_ENDLESS in faults:
            return StreamingResponse(_endless(b" " * 65_536, pause=0), media_type="application/json")
        if Fault.TOKENS_DRIPPING in faults:
            return StreamingResponse(_endless(b" ", pause=DRIP_SECONDS), media_type="application/json")
        return None


async def _endless(part: bytes, *, pause: float) -> AsyncIterator[bytes]:
    while True:
        yield part
        await asyncio.sleep(pause)


def _read_pairs(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Repeated("a parameter is repeated")
    return found


async def _read_form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise TokensRefused("invalid_request", "the body must be a form")
    if request.url.query:
        raise TokensRefused("invalid_request", "the query must be empty")
    try:
        return _read_pairs((await request.body()).decode())
    except (_Repeated, UnicodeDecodeError):
        raise TokensRefused("invalid_request", "a parameter is repeated, or is not UTF-8") from None


def _read_client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret, from the header or from the body; both are refused (RFC 6749, section 2.3)."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return form.get("client_id", ""), form.get("client_secret", "")
    if scheme.lower() != "basic" or "client_secret" in form:
        raise TokensRefused("invalid_request", "use one method of authentication")
    try:
        name, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise TokensRefused("invalid_client", "not Basic", status=401) from None
    return unquote_plus(name), unquote_plus(secret)


def _redirect(query: dict[str, str], answer: dict[str, str]) -> Response:
    uri = query["redirect_uri"]
    if "state" in query:
        answer = answer | {"state": query["state"]}
    separator = "&" if "?" in uri else "?"
    return RedirectResponse(f"{uri}{separator}{urlencode(answer)}", 302, headers=_NO_STORE)


def _choose_account(people: list[Person]) -> str:
    buttons = "".join(
        f'<p><button name="person" value="{escape(person.subject)}">{escape(person.email or person.subject)}'
        f"{'' if person.email_verified else ' (not verified)'}</button>"
        for person in people
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Choose an account</title></head><body>'
        f'<h1>Choose an account</h1><form method="post">{buttons}<p><button name="deny" value="1">Cancel</button>'
        "</form></body></html>"
    )
