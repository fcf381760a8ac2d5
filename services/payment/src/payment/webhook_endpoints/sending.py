"""One HTTP request of a delivery: to a checked address only, bounded as a whole, without redirects."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import SOCK_STREAM

import httpcore

from payment.webhook_endpoints.addresses import Address, AddressPolicy, ForbiddenAddress, literal_address

logger = logging.getLogger(__name__)

RESPONSE_BYTES = 4096
"""How much of a response's body is read."""

EXCERPT_CHARACTERS = 1000
"""How much of it is stored."""

CONNECT_SECONDS = 3.0
"""How long one of a host's addresses may take to accept the connection before the next one is tried."""

MOST_ADDRESSES = 4

Resolver = Callable[[str, int], Awaitable[Sequence[Address]]]
"""The addresses of a host. Raises `OSError`."""


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return [ip_address(address[0]) for *_, address in found]


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to an address that was checked: resolves the host once, and refuses it when any of its addresses is
    forbidden."""

    def __init__(self, policy: AddressPolicy, *, resolver: Resolver) -> None:
        self._policy = policy
        self._resolve = resolver
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `ForbiddenAddress`, `OSError`, and httpcore's errors."""
        literal = literal_address(host)
        addresses = await self._resolve(host, port) if literal is None else [literal]
        for address in addresses:
            self._policy.check_address(address)
        error: Exception = OSError("the host has no address")
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._backend.connect_tcp(
                    str(address),
                    port,
                    timeout=CONNECT_SECONDS if timeout is None else timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.NetworkError, httpcore.TimeoutException) as failed:
                error = failed
        raise error


@dataclass(kw_only=True)
class Outcome:
    """How an attempt ended: a status with the beginning of the body, or an error."""

    status: int | None = None
    excerpt: str | None = None
    error: str | None = None
    duration_ms: int = 0

    @property
    def is_success(self) -> bool:
        """Only 2xx is."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends requests; `timeout_seconds` bounds each as a whole, resolving and reading included."""

    policy: AddressPolicy
    timeout_seconds: float
    tls: ssl.SSLContext = field(repr=False)
    resolver: Resolver = resolve

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send the body. Whatever goes wrong is in the outcome; an answer that was cut off counts by its status."""
        outcome = Outcome()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await self._exchange(url, body, headers, outcome)
        except ForbiddenAddress as error:
            outcome.error = f"refused: {error}"
        except (TimeoutError, httpcore.TimeoutException):
            outcome.error = f"no answer within {self.timeout_seconds:g} s"
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            outcome.error = f"{type(error).__name__}: {error}".replace("\x00", "")
        # An attempt whose end is not recorded would be repeated for ever.
        except Exception as error:
            logger.exception("a webhook could not be sent to %s", url)
            outcome.error = type(error).__name__
        if outcome.status is not None:
            outcome.error = None
        outcome.duration_ms = round((time.monotonic() - started) * 1000)
        return outcome

    async def _exchange(self, text: str, body: bytes, headers: Mapping[str, str], outcome: Outcome) -> None:
        url = self.policy.check_url(text)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        fixed = {"Host": url.netloc.decode("ascii"), "Connection": "close"}
        sent = [(name.encode(), value.encode()) for name, value in (fixed | dict(headers)).items()]
        backend = CheckedBackend(self.policy, resolver=self.resolver)
        # A connection of its own: a pool's would outlive the check of its address.
        async with (
            httpcore.AsyncHTTPConnection(target.origin, self.tls, network_backend=backend) as connection,
            connection.stream("POST", target, headers=sent, content=body) as response,
        ):
            outcome.status = response.status
            read = bytearray()
            try:
                async for chunk in response.aiter_stream():
                    read += chunk
                    if len(read) >= RESPONSE_BYTES:
                        break
            finally:
                outcome.excerpt = _excerpt(bytes(read[:RESPONSE_BYTES]))


def _excerpt(body: bytes) -> str:
    # PostgreSQL stores every character but NUL.
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")[:EXCERPT_CHARACTERS]
