"""All operations of a service, by six callers each, while PostgreSQL does not respond or no connection is free."""

import asyncio
import base64
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

import auth.main
import auth.settings
import l2p.main
import l2p.settings
import payment.main
import payment.settings
import videovault.main
import videovault.settings
from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.clients import quick_hasher, running
from tests.servers import TestServer
from tests.tokens import TokenMint
from webcommon.app.service import Service

CALLERS = 6

POOL = PoolSettings(wait_seconds=5)

LONGEST_SECONDS = 25.0
"""Far more than one wait, for a machine that is busy, and less than the 30 s of the last of six who queue."""

SERVICES: dict[str, tuple[Callable[..., Service], Callable[..., Any]]] = {
    "auth": (auth.main.create_app, auth.settings.Settings),
    "l2p": (l2p.main.create_app, l2p.settings.Settings),
    "payment": (payment.main.create_app, payment.settings.Settings),
    "videovault": (videovault.main.create_app, videovault.settings.Settings),
}

PASSWORD = "seven quiet harbours"
REFRESH_TOKEN = "qrt1_" + base64.urlsafe_b64encode(bytes(52)).decode().rstrip("=")
PASSKEY = {"id": "AAAA", "rawId": "AAAA", "response": {}, "type": "public-key"}
REGISTRATION = {"email": "ada@example.com", "username": "ada", "password": PASSWORD}

VIDEO = {
    "file_path": "/films/a.mkv",
    "file_name": "a.mkv",
    "file_size": 1,
    "mime_type": "video/x-matroska",
}

BODIES: dict[str, Any] = {
    "register_account": REGISTRATION,
    "sign_in": {"login": "ada", "password": PASSWORD},
    "log_in": {"login": "ada", "password": PASSWORD},
    "change_own_account": {"username": "ada.lovelace"},
    "delete_own_account": {"password": PASSWORD},
    "refresh_session": {"refresh_token": REFRESH_TOKEN},
    "sign_out": {"refresh_token": REFRESH_TOKEN},
    "finish_sign_in": {"mfa_token": "qma1_" + "A" * 43, "code": "492039"},
    "confirm_totp": {"code": "492039"},
    "add_passkey": {"credential": PASSKEY},
    "sign_in_with_passkey": {"credential": PASSKEY},
    "rename_passkey": {"name": "Telephone"},
    "change_password": {"current_password": PASSWORD, "new_password": "eight quiet harbours"},
    "confirm_email": {"token": "A" * 43},
    "resend_verification": {"email": "ada@example.com"},
    "request_password_reset": {"email": "ada@example.com"},
    "reset_password": {"token": "A" * 43, "new_password": PASSWORD},
    "exchange_grant": {
        "grant_type": "refresh_token",
        "client_id": "l2p-web",
        "refresh_token": REFRESH_TOKEN,
    },
    "introspect_token": {"token": REFRESH_TOKEN},
    "revoke_token": {"token": REFRESH_TOKEN},
    "exchange_sign_in_code": {"code": "A" * 43},
    "create_question_set": {
        "title": "Sums",
        "questions": [{"question_text": "2 + 2?", "options": ["4", "5"], "correct_answer": "4"}],
    },
    "replace_question_set": {
        "title": "Sums",
        "questions": [{"question_text": "2 + 2?", "options": ["4", "5"], "correct_answer": "4"}],
    },
    "import_question_set": {
        "file": b'[{"question_text": "2 + 2?", "options": ["4", "5"], "correct_answer": "4"}]'
    },
    "create_lobby": {"name": "Friday quiz", "max_players": 8},
    "join_lobby": {"code": "ABCDEF"},
    "set_ready": {"is_ready": True},
    "admit_guest": {"nickname": "Ana"},
    "kick_player": {"user_id": str(UUID(int=1))},
    "unban_player": {"user_id": str(UUID(int=1))},
    "transfer_lobby": {"user_id": str(UUID(int=1))},
    "change_lobby": {"name": "Saturday quiz"},
    "start_game": {
        "questions": [{"question_text": "2 + 2?", "options": ["4", "5"], "correct_answer": "4"}],
        "force": True,
    },
    "answer_question": {"question_id": str(UUID(int=1)), "answer": "4"},
    "create_product": {"sku": "tea", "name": "Tea", "unit_price": "20.14", "currency": "eur"},
    "change_product": {"name": "Green tea"},
    "start_checkout": {"success_url": "http://localhost:8000/", "cancel_url": "http://localhost:8000/"},
    "take_stripe_event": {},
    "create_refund": {"amount": "5.00"},
    "create_order": {"items": [{"sku": "tea", "quantity": 2}]},
    "create_webhook_endpoint": {"url": "http://127.0.0.1:9/hooks"},
    "change_webhook_endpoint": {"description": "Accounting"},
    "create_video": VIDEO,
    "put_video": VIDEO,
    "sync_device": {"device_id": "phone"},
    "record_batch": {"videos": [VIDEO]},
    "patch_video": {"title": "A"},
    "add_tags": {"tags": [{"tag_category": "place", "tag_name": "quay"}]},
    "change_tags": {
        "video_ids": [str(UUID(int=1))],
        "add": [{"tag_category": "place", "tag_name": "quay"}],
    },
    "put_alias": {"tag_category": "place", "alias": "pier", "tag_name": "Quay"},
    "put_parent": {
        "tag_category": "place",
        "tag_name": "Quay",
        "parent_category": "place",
        "parent_name": "Harbour",
    },
    "rename_tag": {"tag_category": "place", "from": "quay", "to": "Quay"},
    "create_saved_filter": {"name": "Evenings", "query": {"q": "harbour"}},
    "put_saved_filter": {"name": "Evenings", "query": {"q": "harbour"}},
    "create_playlist": {"name": "Evenings"},
    "rename_playlist": {"name": "Mornings"},
    "add_playlist_item": {"video_id": str(UUID(int=1))},
    "move_playlist_item": {"after": None},
    "put_progress": {"position_seconds": 754},
    "mark_videos": {"video_ids": [str(UUID(int=1))], "watched": True},
    "choose_thumbnail": {"at_seconds": 12.5},
    "put_mine": {"favourite": True, "rating": 8},
    "move_video": {"file_path": "/films/b.mkv"},
    "bulk_move_videos": {"moves": [{"video_id": str(UUID(int=1)), "file_path": "/films/b.mkv"}]},
    "create_root": {"path": "/usr"},
    "relocate_root": {"path": "/usr"},
    "begin_scan": {},
    "purge_missing_videos": {},
    "import_library": b'{"kind": "export", "version": 1, "rows": 0}',
    "prove_duplicates": {"video_ids": [str(UUID(int=1))]},
    "merge_duplicates": {"keep": str(UUID(int=1)), "merge": [str(UUID(int=2))]},
    "bulk_delete_videos": {"video_ids": [str(UUID(int=1))]},
}
"""A valid body for each operation that takes one, so that it reaches the database."""

NEEDS_NO_DATABASE = {
    *("read_liveness", "read_readiness", "read_health", "read_metrics", "read_persistence"),
    *("read_server_metadata", "read_provider_configuration", "read_keys", "show_sign_in_page"),
    *("begin_passkey_sign_in", "begin_google_sign_in", "finish_google_sign_in"),
    "take_stripe_event",  # without a signature
}
"""Operations that respond without the database. They have to be as quick, and a 503 has Retry-After."""

SHARES_ITS_WAIT = {
    *("read_revocations", "list_development_mails", "answer_question"),
    *("join_lobby", "set_ready", "admit_guest"),
}
"""Operations whose concurrent callers share one call to the database."""

TAKES_TURNS = {"leave_lobby"}
"""Operations whose callers wait for their turn before they wait for a connection."""

ONE_CONNECTION_EACH = {"stream_events"}
"""Operations of which a user may have a few at once: the oldest one more is closed, and no failure of the database."""

OAUTH_ERRORS = {"exchange_grant", "introspect_token", "revoke_token"}
"""Operations with the error responses of OAuth (RFC 6749, section 5.2)."""

_waits: ContextVar[list[float]] = ContextVar("waits")
"""The seconds that a request waited for connections."""


@pytest.fixture(scope="module")
def migrated(own_server: TestServer) -> TestServer:
    """A server for this module, with the tables of all services."""
    own_server.migrate()
    return own_server


@contextlib.contextmanager
def _silent(server: TestServer, pids: list[int]) -> Iterator[None]:
    postmaster = server.cluster.pid
    assert postmaster is not None
    for pid in (postmaster, *pids):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in (postmaster, *pids):
            os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def _silent_server(server: TestServer, _app: Service) -> AsyncIterator[None]:
    connection = await server.connect()
    rows = await connection.fetch("SELECT pid FROM pg_stat_activity")
    try:
        with _silent(server, [row["pid"] for row in rows]):
            yield
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _full_pool(_server: TestServer, app: Service) -> AsyncIterator[None]:
    database = app.component(Database)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(database.settings.pool.max):
            held = await stack.enter_async_context(database.transaction())
            await held.execute(text("SELECT 1"))
        yield


States = Callable[[TestServer, Service], contextlib.AbstractAsyncContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request of an operation."""

    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    waits: list[float] = field(default_factory=list)

    async def send(self, client: httpx.AsyncClient) -> tuple["Call", httpx.Response]:
        """The response, and the request with its waits for connections."""
        call = replace(self, waits=[])
        _waits.set(call.waits)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return call, await client.request(self.method, self.url, headers=self.headers, **self.body)
        except TimeoutError:
            pytest.fail(f"{self.name} took more than {LONGEST_SECONDS:g} s")


_IN_PATHS = {"code": "CDFGHJ", "n": "0"}
"""What is no UUID in a path."""

_QUERY = {"tag": "place:quay"}
"""Required parameters of queries, without which an operation does not reach the database."""


def _calls(app: Service, headers: dict[str, str]) -> list[Call]:
    return [
        Call(
            name=operation["operationId"],
            method=method.upper(),
            url=re.sub(r"\{(\w+)\}", lambda part: _IN_PATHS.get(part[1]) or str(uuid4()), path)
            + _query(operation),
            headers=headers | {"Idempotency-Key": "one"} | _content_type(operation),
            body=_body(operation),
        )
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]


def _query(operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    required = {each["name"] for each in parameters if each["in"] == "query" and each["required"]}
    known = {name: value for name, value in _QUERY.items() if name in required}
    return f"?{urlencode(known)}" if known else ""


def _body(operation: dict[str, Any]) -> dict[str, Any]:
    if "requestBody" not in operation:
        return {}
    # A batch may be a stream as well.
    media_type = next(kind for kind in _ARGUMENTS if kind in operation["requestBody"]["content"])
    return {_ARGUMENTS[media_type]: BODIES[operation["operationId"]]}


def _content_type(operation: dict[str, Any]) -> dict[str, str]:
    kinds = operation.get("requestBody", {}).get("content", {})
    return {"Content-Type": NDJSON} if kinds.keys() == {NDJSON} else {}


NDJSON = "application/x-ndjson"
_ARGUMENTS = {
    "application/json": "json",
    "application/x-www-form-urlencoded": "data",
    "multipart/form-data": "files",
    NDJSON: "content",
}
"""The argument of the client for a body of each media type."""


@pytest.mark.long  # each state lasts as long as its time-outs
@pytest.mark.parametrize("state", [_silent_server, _full_pool], ids=["silent server", "full pool"])
@pytest.mark.parametrize("service", SERVICES)
async def test_six_callers_of_each_route_are_answered_in_time(
    migrated: TestServer, mint: TokenMint, service: str, state: States, tmp_path: Path
) -> None:
    create_app, settings = SERVICES[service]
    database = DatabaseSettings(url=migrated.url(service), pool=POOL)
    own = {"auth": {"mail_folder": str(tmp_path)}, "videovault": {"media_roots": "/"}}.get(service, {})
    hasher = {"hasher": quick_hasher()} if service in ("auth", "l2p") else {}
    app = create_app(
        settings(database=database, secret=SecretStr("s" * 32), **own), issuers=[mint.issuer], **hasher
    )
    app.component(Database).pool.queue.waited_seconds = lambda seconds: _waits.get([]).append(seconds)
    async with running(app) as client:
        calls = _calls(app, mint.headers(roles=("user", "admin")))
        for call in calls:  # stores the caller, and fills the caches
            if call.name != "read_revocations":  # whose response is repeated for half a second
                await call.send(client)
        async with state(migrated, app):
            sent = (
                call.send(client)
                for call in calls
                for _ in range(1 if call.name in ONE_CONNECTION_EACH else CALLERS)
            )
            for call, answer in await asyncio.gather(*sent):
                told = f"{call.name}: {answer.status_code} after waits of {call.waits} s"
                if state is _full_pool and call.name not in NEEDS_NO_DATABASE | SHARES_ITS_WAIT:
                    assert len(call.waits) == 1 or (call.name in TAKES_TURNS and not call.waits), told
                if call.name in NEEDS_NO_DATABASE and answer.status_code != 503:
                    continue
                assert answer.status_code == 503, told
                assert int(answer.headers["retry-after"]) >= 1, told
                if call.name not in NEEDS_NO_DATABASE | OAUTH_ERRORS:
                    assert answer.headers["content-type"] == "application/problem+json", told
