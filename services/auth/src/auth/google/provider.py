"""Google over HTTP: discovery, tokens for a code, and revocation, each with a short timeout."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import SecretStr

from auth.google.keys import build_provider_keys
from webcommon.auth.jwks import JwksCache

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0
"""Total timeout of a call to Google."""

FRESH_SECONDS = 3600.0
"""Age at which a discovery document is fetched anew. While that fails, the old one is used."""

RETRY_SECONDS = 1.0
"""Pause after a failed discovery."""

_MAXIMUM_BYTES = 256 * 1024
_MAXIMUM_LIFETIME = 7 * 24 * 3600


class ProviderUnavailable(Exception):
    """Google cannot be reached, times out, or answers 5xx or 429. The text is for the log."""


class ProviderRefused(Exception):
    """Google refused, or its answer is invalid. The text is for the log and holds nothing that was sent."""


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """The endpoints of the discovery document, and the keys that it names."""

    authorization: str
    token: str
    revocation: str | None
    keys: JwksCache


@dataclass(frozen=True, kw_only=True)
class ProviderTokens:
    """The tokens for a code. `expires_in` is in seconds."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    expires_in: int


class Provider:
    """A client of an issuer. `clock` gives seconds."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: SecretStr,
        http: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._client_secret = client_secret
        self._http = http
        self._clock = clock
        self._endpoints: Endpoints | None = None
        self._jwks_uri = ""
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def discover(self) -> Endpoints:
        """The endpoints. Raises `ProviderUnavailable` and `ProviderRefused`, but only until discovery has succeeded once."""
        if self._endpoints is not None and self._clock() - self._fetched_at < FRESH_SECONDS:
            return self._endpoints
        async with self._lock:
            if self._clock() - self._fetched_at < FRESH_SECONDS and self._endpoints is not None:
                return self._endpoints
            if self._clock() - self._tried_at >= RETRY_SECONDS:
                self._tried_at = self._clock()
                await self._fetch_endpoints()
        if self._endpoints is None:
            raise ProviderUnavailable("discovery failed a moment ago")
        return self._endpoints

    async def redeem(self, code: str, *, verifier: str, redirect_uri: str) -> ProviderTokens:
        """The tokens for a code. Raises `ProviderUnavailable` and `ProviderRefused`."""
        endpoints = await self.discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self.client_id,
            "client_secret": self._client_secret.get_secret_value(),
        }
        status, answer = await self._ask("POST", endpoints.token, form=form)
        if status >= 500 or status == 429:
            raise ProviderUnavailable(f"the token endpoint answered {status}")
        if status != 200:
            raise ProviderRefused(f"the token endpoint answered {status}")
        return _read_tokens(answer)

    async def revoke(self, token: str) -> None:
        """Revoke a token (RFC 7009). Failures are ignored, since it expires by itself."""
        try:
            endpoints = await self.discover()
            if endpoints.revocation is None:
                return
            status, _ = await self._ask("POST", endpoints.revocation, form={"token": token})
            if status >= 400:
                logger.info("a token could not be given back: the answer was %d", status)
        except (ProviderUnavailable, ProviderRefused) as error:
            logger.info("a token could not be given back: %s", error)

    async def _fetch_endpoints(self) -> None:
        try:
            url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            self._endpoints = self._read_document(await self._fetch_document(url))
            self._fetched_at = self._clock()
        except (ProviderUnavailable, ProviderRefused) as error:
            if self._endpoints is None:
                raise
            logger.warning("the discovery document of %s could not be renewed: %s", self.issuer, error)

    async def _fetch_document(self, url: str) -> dict[str, Any]:
        status, document = await self._ask("GET", url)
        if status != 200:
            raise ProviderUnavailable(f"discovery answered {status}")
        return document

    def _read_document(self, document: Mapping[str, Any]) -> Endpoints:
        # Discovery 1.0, section 4.3: otherwise one issuer could impersonate another.
        if document.get("issuer") != self.issuer:
            raise ProviderRefused("the discovery document is another issuer's")
        jwks_uri = self._read_url(document, "jwks_uri")
        known = self._endpoints.keys if self._endpoints is not None and jwks_uri == self._jwks_uri else None
        self._jwks_uri = jwks_uri
        revocation = "revocation_endpoint" in document
        return Endpoints(
            authorization=self._read_url(document, "authorization_endpoint"),
            token=self._read_url(document, "token_endpoint"),
            revocation=self._read_url(document, "revocation_endpoint") if revocation else None,
            keys=known
            or JwksCache(jwks_uri, client=self._http, clock=self._clock, build=build_provider_keys),
        )

    def _read_url(self, document: Mapping[str, Any], name: str) -> str:
        url = document.get(name)
        secure = self.issuer.startswith("https://")
        if not isinstance(url, str) or not url.startswith("https://" if secure else ("http://", "https://")):
            raise ProviderRefused(f"the discovery document has no usable {name}")
        return url

    async def _ask(
        self, method: str, url: str, *, form: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of an answer; an empty object for a body that is not one."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                status, body = await self._read(method, url, form)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            # Without its text and cause, which may quote the request.
            raise ProviderUnavailable(f"no answer: {type(error).__name__}") from None
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        return status, document if isinstance(document, dict) else {}

    async def _read(self, method: str, url: str, form: dict[str, str] | None) -> tuple[int, bytes]:
        body = bytearray()
        async with self._http.stream(
            method, url, data=form, headers={"Accept": "application/json"}
        ) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAXIMUM_BYTES:
                    raise ProviderRefused("the answer is too long")
            return response.status_code, bytes(body)


def _read_tokens(answer: Mapping[str, Any]) -> ProviderTokens:
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    expires_in = answer.get("expires_in", 0)
    if not isinstance(id_token, str) or not isinstance(access_token, str) or type(expires_in) is not int:
        raise ProviderRefused("the token answer is not complete")
    return ProviderTokens(
        id_token=id_token,
        access_token=access_token,
        expires_in=min(max(expires_in, 0), _MAXIMUM_LIFETIME),
    )
