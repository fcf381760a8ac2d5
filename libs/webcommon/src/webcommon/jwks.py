"""Auth's public keys, fetched over HTTP and kept: services go on with what they have while Auth is away."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

import httpx
from jose import jwk
from jose.backends.base import Key

logger = logging.getLogger(__name__)

REFETCH_SECONDS = 10.0
"""At least so long between two fetches, however many unknown key ids are seen."""

FRESH_SECONDS = 300.0
"""Older keys still serve, and are fetched anew beside the request."""

_MAXIMUM_KEYS = 100


class KeysUnavailable(Exception):
    """No key was ever fetched, and Auth cannot be reached now."""


class KeySource(Protocol):
    """Where a verifier finds the key of a `kid`."""

    async def find_key(self, kid: str) -> Key | None:
        """The public key of that id, None when there is none. Raises `KeysUnavailable` when that cannot be known."""


def build_keys(document: Mapping[str, Any]) -> dict[str, Key]:
    """The P-256 signature keys of a JWKS document, ready to verify with; everything else in it is left out."""
    keys: dict[str, Key] = {}
    for entry in document.get("keys", [])[:_MAXIMUM_KEYS]:
        usable = entry.get("kty") == "EC" and entry.get("crv") == "P-256" and entry.get("use", "sig") == "sig"
        if usable and isinstance(entry.get("kid"), str) and entry.get("alg", "ES256") == "ES256":
            public = {name: entry[name] for name in ("kty", "crv", "x", "y")}
            keys[entry["kid"]] = jwk.construct(public, algorithm="ES256")
    return keys


class JwksCache:
    """Keys by id from Auth's JWKS. One fetch at a time, at most one every `REFETCH_SECONDS`."""

    def __init__(self, url: str, *, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client
        self._keys: dict[str, Key] = {}
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find_key(self, kid: str) -> Key | None:
        """The key of `kid`; asks Auth once when it is not known."""
        key = self._keys.get(kid)
        if key is not None:
            if time.monotonic() - self._fetched_at > FRESH_SECONDS:
                self._begin_fetch()
            return key
        await self.refresh()
        if not self._keys:
            raise KeysUnavailable(f"the keys at {self._url} could not be fetched")
        return self._keys.get(kid)

    async def refresh(self) -> None:
        """Fetch the keys unless that was tried a moment ago."""
        task = self._begin_fetch()
        if task is not None:
            await asyncio.shield(task)

    def _begin_fetch(self) -> "asyncio.Task[None] | None":
        if self._fetching is None:
            # With no key at all nothing can be served, so a failed first fetch is repeated sooner.
            pause = REFETCH_SECONDS if self._keys else 1.0
            if time.monotonic() - self._tried_at < pause:
                return None
            self._tried_at = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._finish)
        return self._fetching

    def _finish(self, _task: "asyncio.Task[None]") -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        try:
            response = await self._client.get(self._url, timeout=2.0)
            response.raise_for_status()
            keys = build_keys(response.json())
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning(
                "the signing keys could not be fetched from %s: %s", self._url, type(error).__name__
            )
            return
        if keys:
            self._keys = keys
            self._fetched_at = time.monotonic()
