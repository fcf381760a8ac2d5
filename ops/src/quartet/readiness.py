"""Readiness: whether services say that they are ready, and whether a PostgreSQL server listens."""

import contextlib
import http.client
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal
from urllib.parse import urlsplit

from dbcommon.dsn import DatabaseUrl
from quartet.errors import Failure, ServerFailed
from quartet.settings import OperatorSettings
from quartet.settings.operator import Server

Readiness = Literal["ready", "not ready", "no answer"]
PROBE_SECONDS = 1.5
PATIENT_SECONDS = 3.0
"""A service takes up to two seconds to find that its database does not answer."""


def ask_readiness(host: str, port: int, *, seconds: float = PROBE_SECONDS) -> Readiness:
    """What `/readyz` of a service says now; waits for `seconds` at most."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", "/readyz")
        return "ready" if connection.getresponse().status == http.HTTPStatus.OK else "not ready"
    except (OSError, http.client.HTTPException):
        return "no answer"
    finally:
        connection.close()


def ask_all_readiness(urls: Mapping[str, str]) -> dict[str, Readiness]:
    """`ask_readiness` of several services at once, by their names."""

    def ask(url: str) -> Readiness:
        parts = urlsplit(url)
        return ask_readiness(parts.hostname or "", parts.port or 80, seconds=PATIENT_SECONDS)

    with ThreadPoolExecutor(max_workers=max(1, len(urls))) as threads:
        return dict(zip(urls, threads.map(ask, urls.values()), strict=True))


def ensure_answers(
    settings: OperatorSettings, urls: Iterable[DatabaseUrl], *, stopped: type[Failure] = ServerFailed
) -> None:
    """Raises `stopped` when one of `urls` leads to the embedded server, which is stopped; ServerFailed when nothing listens
    at another one's address."""
    for hosts in dict.fromkeys(url.hosts for url in urls):
        if any(_listens(Server(host=host, port=port)) for host, port in hosts):
            continue
        embedded = None if "POSTGRES_HOST" in settings.explicit else settings.server()
        if embedded and (embedded.host, embedded.port) in hosts:
            raise stopped(_told_stopped(settings))
        where = " or ".join(f"{host}:{port}" for host, port in hosts)
        raise ServerFailed(
            f"no PostgreSQL answers at {where}: start it, or correct POSTGRES_HOST, POSTGRES_PORT or the database's URL"
        )


def ensure_server_runs(settings: OperatorSettings) -> None:
    """Raises ServerFailed when the settings mean the embedded server and it is stopped, so that nothing waits for it."""
    if "POSTGRES_HOST" not in settings.explicit and not _listens(settings.server()):
        raise ServerFailed(_told_stopped(settings))


def _listens(server: Server) -> bool:
    """Whether a process listens there; a server that is still starting or recovering does."""
    with contextlib.suppress(OSError):
        socket.create_connection((server.host, server.port), timeout=PATIENT_SECONDS).close()
        return True
    return False


def _told_stopped(settings: OperatorSettings) -> str:
    return f"the stack in {settings.home.path} is stopped, and its PostgreSQL with it: `quartet up` starts it"
