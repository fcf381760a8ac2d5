"""Auth's public keys, fetched over HTTP and cached: a service keeps its keys while Auth cannot be reached."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import httpx
from jose import jwk
from jose.backends.base import Key

from dbcommon.shared_call import SharedCall

logger = logging.getLogger(__name__)

REFETCH_SECONDS = 10.0
"""The minimum time between two fetches, however many unknown key ids are seen."""

FRESH_SECONDS = 300.0
"""Older keys are still used, and refreshed in the background; while `running()`, without a request too."""

FETCH_SECONDS = 3.0
"""The time limit of a whole fetch."""

_MAXIMUM_KEYS = 100
_MAXIMUM_BYTES = 256 * 1024


class KeysUnavailable(Exception):
    """No key was ever fetched, and the issuer cannot be reached now."""


class KeySource(Protocol):
    """A source of verification keys, by `kid`."""

    async def find_key(self, kid: str) -> Key | None:
        """The public key of that id; None when there is none. Raises `KeysUnavailable` when that cannot be known."""


def build_keys(document: Any) -> dict[str, Key]:
    """The P-256 signature keys of a JWKS document; all other entries are left out."""
    entries = document.get("keys") if isinstance(document, dict) else None
    keys: dict[str, Key] = {}
    for entry in entries[:_MAXIMUM_KEYS] if isinstance(entries, list) else []:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        if isinstance(kid, str) and (key := _build_key(entry)) is not None:
            keys[kid] = key
    return keys


def _build_key(entry: dict[str, Any]) -> Key | None:
    wanted = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256"}
    if any(
        entry.get(name, value if name in ("use", "alg") else None) != value for name, value in wanted.items()
    ):
        return None
    try:
        # Only public members: an entry with a private one must not become a signing key here.
        return jwk.construct({name: entry[name] for name in ("kty", "crv", "x", "y")}, algorithm="ES256")
    # For a point that is not on the curve, or coordinates that are no text, each library underneath has exceptions of its
    # own.
    except Exception:
        logger.warning("a key of the JWKS document cannot be used")
        return None


class JwksCache:
    """Keys by id from Auth's JWKS, or from another JWKS with a `build` of its own, which chooses the usable keys.

    One fetch at a time, at most one every `REFETCH_SECONDS`. `clock` gives seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
        fetch_seconds: float = FETCH_SECONDS,
        fresh_seconds: float = FRESH_SECONDS,
        build: Callable[[Any], dict[str, Key]] = build_keys,
    ) -> None:
        self._url = url
        self._build = build
        self._client = client
        self._clock = clock
        self._fetch_seconds = fetch_seconds
        self._fresh_seconds = fresh_seconds
        self._keys: dict[str, Key] = {}
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching = SharedCall(self._fetch)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Refresh the keys every `fresh_seconds` while the block runs, so that a withdrawn key is dropped without a
        request."""
        refreshing = asyncio.create_task(self._refresh_forever())
        try:
            yield
        finally:
            refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await refreshing

    async def _refresh_forever(self) -> None:
        while True:
            age = self._clock() - self._tried_at
            # No fetch before the first use: a service may start long before Auth.
            await asyncio.sleep(self._fresh_seconds - (age if age < self._fresh_seconds else 0))
            await self.refresh()

    async def find_key(self, kid: str) -> Key | None:
        """The key of `kid`; fetches once when it is unknown."""
        key = self._keys.get(kid)
        if key is not None:
            if self._clock() - self._fetched_at > self._fresh_seconds and self._may_fetch():
                self._fetching.start()
            return key
        await self.refresh()
        if not self._keys:
            raise KeysUnavailable(f"the keys at {self._url} could not be fetched")
        return self._keys.get(kid)

    async def refresh(self) -> None:
        """Fetch the keys, unless a fetch was tried within `REFETCH_SECONDS`."""
        if self._fetching.is_running or self._may_fetch():
            await self._fetching.ask()

    def _may_fetch(self) -> bool:
        # Without any key no request can be served, so a failed first fetch is repeated sooner.
        pause = REFETCH_SECONDS if self._keys else 1.0
        return self._clock() - self._tried_at >= pause

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(self._fetch_seconds):
                keys = self._build(json.loads(await self._read_document()))
        # Whatever the fault, the cached keys stay in use.
        except Exception as error:
            logger.warning(
                "the signing keys could not be fetched from %s: %s", self._url, type(error).__name__
            )
            return
        if keys:
            self._keys = keys
            self._fetched_at = self._clock()

    async def _read_document(self) -> bytes:
        document = bytearray()
        async with self._client.stream("GET", self._url) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                document += chunk
                if len(document) > _MAXIMUM_BYTES:
                    raise ValueError("the document is too long")
        return bytes(document)
