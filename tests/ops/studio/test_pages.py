"""Lists and rows: what they show, what stays in the database, and how many statements they take."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import event
from sqlalchemy.engine import Engine

from dbcommon.settings import DatabaseSettings
from quartet.schema import service_metadata
from quartet.studio import StudioDatabase
from quartet.studio.hidden import is_hidden
from tests.conftest import CopyDatabase
from tests.ops.inspected import connected
from tests.ops.studio.running import Pages, pages_of
from tests.servers import TestServer

SECRET = "5ec2e7"
"""Stands in every hidden value, as text and in hex."""

AUTH_ROWS = """
    INSERT INTO users (email, username, password_hash, roles)
        SELECT 'u' || i || '@example.com', 'user' || i, '5ec2e7', '{user,editor}' FROM generate_series(1, 60) i;
    INSERT INTO sessions (user_id, refresh_token, refresh_token_hmac_key, expires_at, ip, user_agent)
        SELECT id, '5ec2e7' || id, '\\x5ec2e7', now() + interval '1 day', '192.0.2.7',
               '<script>alert(1)</script>' || repeat('long ', 45) FROM users;
    INSERT INTO email_tokens (kind, user_id, token_hash, email, expires_at)
        SELECT 'verify', id, '5ec2e7' || id, email, now() + interval '1 day' FROM users;
    INSERT INTO totp_secrets (user_id, secret) SELECT id, '\\x5ec2e7' FROM users;
    INSERT INTO recovery_codes (user_id, code_hash) SELECT id, '\\x5ec2e7' FROM users;
    INSERT INTO mails (kind, recipient, payload, seed) VALUES ('verify', 'a@example.com', '5ec2e7', '\\x5ec2e7');
    INSERT INTO signing_keys (kid, public_jwk, private_key, active_from, expires_at, rotate_at)
        VALUES ('kid', '{"kty": "EC"}', '\\x5ec2e7', now(), now() + interval '9 days', now() + interval '5 days');
    INSERT INTO attempt_counters (key, attempted_at, in_flight, expires_at)
        VALUES (decode(repeat('5ec2e700', 8), 'hex'), ARRAY[timestamptz '2026-01-02 03:04:05.678901Z'], 0, now());
    INSERT INTO oauth_states (state_hash, browser_hash, authorization_request, expires_at)
        VALUES ('5ec2e7', '5ec2e7', '{"state": "5ec2e7"}', now() + interval '1 day');
    INSERT INTO passkey_challenges (challenge_hash, expires_at) VALUES ('\\x5ec2e7', now());
    INSERT INTO mail_cooldowns (key) VALUES ('\\x5ec2e7');
    INSERT INTO login_challenges (token_hash, user_id, amr, client_id, scope, expires_at)
        SELECT '5ec2e7', id, 'password', 'quartet', 'openid', now() + interval '1 day' FROM users LIMIT 1;
    INSERT INTO revocations (session_id, ended_at) SELECT gen_random_uuid(), now() FROM generate_series(1, 10050);
"""


@pytest_asyncio.fixture(scope="module")
async def database(server: TestServer, copy_database: CopyDatabase) -> AsyncIterator[DatabaseSettings]:
    copied = await copy_database("auth")
    async with connected(server, "auth", "admin", database=copied.url.database) as admin:
        await admin.execute(AUTH_ROWS)
    yield copied


@pytest.fixture(scope="module")
def pages(database: DatabaseSettings) -> Iterator[Pages]:
    with pages_of(StudioDatabase("auth", database.url, writes=False)) as entered:
        yield entered


@contextlib.contextmanager
def statements() -> Iterator[list[str]]:
    """The statements of this process, as they are sent."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def test_hidden_values_are_on_no_page(pages: Pages) -> None:
    rows = 0
    for name in service_metadata("auth").tables:
        table = f"auth/{name}"
        page = pages.get(f"/{table}/list")
        assert (page.status_code, SECRET in page.text) == (200, False), name
        for key in pages.keys_on(page.text)[:1]:
            rows += 1
            for path in (f"/{table}/detail", f"/auth/_api/{name}/inline-edit/row"):
                shown = pages.get(path, pk=key)
                assert (shown.status_code, SECRET in shown.text) == (200, False), name
        looked_up = pages.get(f"/auth/_api/{name}/relation-lookup")
        assert (looked_up.status_code, SECRET in looked_up.text) == (200, False), name
    assert rows == 13


def test_hidden_columns_are_never_read(pages: Pages) -> None:
    with statements() as sent:
        pages.values("auth/sessions", pages.keys("auth/sessions")[0])
    assert len(sent) == 3
    assert not [each for each in sent if "refresh_token_hmac_key" in each or "refresh_token " in each]


def test_hidden_columns_can_neither_be_searched_nor_filtered_nor_sorted_by(pages: Pages) -> None:
    assert pages.keys("auth/users", q=SECRET) == []
    for filters in (f"password_hash__contains={SECRET}", "password_hash__is_not_null", "nothing__eq=1"):
        assert pages.get("/auth/users/list", filter=filters).status_code == 400
    with statements() as sent:
        assert len(pages.keys("auth/users", sort="password_hash__asc")) == 25
    assert "password_hash" not in "".join(sent)


def test_the_key_of_a_row_says_nothing_and_cannot_be_forged(pages: Pages) -> None:
    key = pages.keys("auth/recovery_codes")[0]
    assert pages.get("/auth/recovery_codes/detail", pk=key).status_code == 200
    for forged in (
        f"{key[:-2]}{'AA' if key[-2:] != 'AA' else 'QQ'}",
        key[1:],
        "",
        "x",
        "%00",
        SECRET,
        f"{key}=",
    ):
        assert pages.get("/auth/recovery_codes/detail", pk=forged).status_code == 404
    assert pages.get("/auth/users/detail", pk=key).status_code == 404, "it is for a table"


def test_lists_are_paged_in_two_statements_however_many_rows(pages: Pages) -> None:
    seen: list[str] = []
    for page, rows in ((1, 25), (2, 25), (3, 10), (4, 0)):
        with statements() as sent:
            text = pages.get("/auth/users/list", page=page).text
        assert len(sent) == 2
        found = re.findall(r"\buser\d+\b", text)
        assert len(set(found)) == rows
        seen += set(found)
    assert len(set(seen)) == 60
    with statements() as sent:
        assert len(pages.keys("auth/users", page_size=100)) == 60
    assert len(sent) == 2
    for size in ("-1", "0", "101", "1000000"):
        assert pages.get("/auth/users/list", page_size=size).status_code == 400


def test_rows_are_sorted_searched_and_filtered_by_the_server(pages: Pages) -> None:
    def names(**parameters: str) -> list[str]:
        keys = pages.keys("auth/users", **parameters)
        return [pages.values("auth/users", key)["username"] for key in keys[:2]]

    assert names(sort="username__asc") == ["user1", "user10"]
    assert names(sort="username__desc") == ["user9", "user8"]
    assert names(q="USER42") == ["user42"]
    assert names(q="user4_") == [], "no wildcard"
    assert names(filter="username__eq=user7") == ["user7"]
    assert names(filter='roles__eq="{user,editor}" AND username__contains=r59') == ["user59"]
    assert names(filter="created_at__lt=2020-01-01") == []
    assert len(names(filter="created_at__gte=2020-01-01")) == 2
    assert len(names(filter="disabled_at__is_null")) == 2


def test_what_the_server_cannot_read_is_said_on_the_page(pages: Pages) -> None:
    answer = pages.get("/auth/users/list", filter="id__eq=nonsense")
    assert answer.status_code == 400
    assert "invalid input syntax for type uuid: &#34;nonsense&#34;" in answer.text
    assert pages.get("/auth/users/list", q="\0").status_code == 400
    assert pages.get("/auth/users/list", page=10**30).status_code == 200
    assert pages.get("/auth/nosuch/list").status_code == 404


def test_a_large_table_is_counted_to_ten_thousand(pages: Pages) -> None:
    text = pages.get("/auth/revocations/list").text
    assert "Only 10000 rows are counted: filter for the rest." in text
    assert "of 10000 entries" in text
    assert "rows are counted" not in pages.get("/auth/users/list").text


def test_every_type_is_shown_as_postgresql_spells_it(pages: Pages) -> None:
    counter = pages.values("auth/attempt_counters", pages.keys("auth/attempt_counters")[0])
    assert counter["attempted_at"] == '{"2026-01-02 03:04:05.678901+00"}'
    assert "key" not in counter
    signing_key = pages.values("auth/signing_keys", pages.keys("auth/signing_keys")[0])
    assert (signing_key["public_jwk"], "private_key" in signing_key) == ('{"kty": "EC"}', False)
    session = pages.values("auth/sessions", pages.keys("auth/sessions")[0])
    assert (session["ip"], session["rotated_at"]) == ("192.0.2.7/32", "-null-")
    assert session["user_agent"].endswith("long long")
    in_list = pages.get("/auth/sessions/list").text
    assert ("…" in in_list, "long " * 50 in in_list, "<script>alert" in in_list) == (True, False, False)


def test_what_is_not_shown_is_named(pages: Pages) -> None:
    for name, table in service_metadata("auth").tables.items():
        hidden = ", ".join(column.name for column in table.columns if is_hidden(column))
        assert (f"Not shown: {hidden}." in pages.get(f"/auth/{name}/list").text) is bool(hidden)


def test_nothing_is_changed_without_write(pages: Pages) -> None:
    (key,) = pages.keys("auth/users", filter="username__eq=user7")
    for path in ("create", f"edit?pk={key}"):
        assert pages.client.get(f"/auth/users/{path}").status_code == 403
    refused = pages.send("/auth/_api/users/row-action", {}, name="delete", pk=key)
    assert (refused.status_code, "--write" in refused.text) == (403, True)
    text = pages.get("/auth/users/list").text
    assert "New users" not in text
    assert 'title="Delete"' not in text


async def test_without_write_the_server_itself_refuses(database: DatabaseSettings) -> None:
    connection = await StudioDatabase("auth", database.url, writes=False).connect()
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM users")
    finally:
        await connection.close()


async def test_a_database_that_is_behind_says_how_to_migrate(
    server: TestServer, copy_database: CopyDatabase
) -> None:
    copied = await copy_database("videovault")
    async with connected(server, "videovault", "owner", database=copied.url.database) as owner:
        await owner.execute("ALTER TABLE watch_history DROP COLUMN completed")
    with pages_of(StudioDatabase("videovault", copied.url, writes=False)) as pages:
        answer = pages.get("/videovault/watch_history/list")
        assert answer.status_code == 400
        assert "run `quartet db migrate videovault`" in answer.text
