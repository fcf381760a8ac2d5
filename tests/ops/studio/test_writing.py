"""What `--write` changes, and what it refuses."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from dbcommon.settings import DatabaseSettings
from quartet.studio import StudioDatabase
from tests.conftest import CopyDatabase
from tests.ops.inspected import connected
from tests.ops.studio.running import Pages, pages_of
from tests.servers import TestServer

ROWS = """
    INSERT INTO users (id, username, email, password_hash, rating, created_at)
        VALUES ('00000000-0000-7000-8000-000000000001', 'ada', 'ada@example.com', 'h', 1200,
                '2026-01-02 03:04:05.678901Z');
    INSERT INTO lobbies (id, creator_id, host_id, name, code, max_players, settings)
        VALUES ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001',
                '00000000-0000-7000-8000-000000000001', E'two\\nlines', 'ABCDEF', 8, '{"rounds": 3}');
"""


@pytest_asyncio.fixture
async def database(server: TestServer, copy_database: CopyDatabase) -> AsyncIterator[DatabaseSettings]:
    copied = await copy_database("l2p")
    async with connected(server, "l2p", "admin", database=copied.url.database) as admin:
        await admin.execute(ROWS)
    yield copied


@pytest_asyncio.fixture
async def admin(server: TestServer, database: DatabaseSettings) -> AsyncIterator[Any]:
    async with connected(server, "l2p", "admin", database=database.url.database) as connection:
        yield connection


@pytest.fixture
def pages(database: DatabaseSettings) -> Iterator[Pages]:
    with pages_of(StudioDatabase("l2p", database.url, writes=True)) as entered:
        yield entered


async def test_an_edit_sets_what_was_changed_and_nothing_else(pages: Pages, admin: Any) -> None:
    before = dict(await admin.fetchrow("SELECT * FROM users"))
    (key,) = pages.keys("l2p/users")
    form = pages.form("/l2p/users/edit", pk=key)
    assert "password_hash" not in form
    assert (form["created_at"], form["token_expires_at"]) == ("2026-01-02 03:04:05.678901+00", "")
    saved = pages.send("/l2p/users/edit", form | {"rating": "1300", "password_hash": "forged"}, pk=key)
    assert (saved.status_code, saved.url.path) == (200, "/l2p/users/list")
    assert dict(await admin.fetchrow("SELECT * FROM users")) == before | {"rating": 1300}


async def test_every_type_is_edited_as_text(pages: Pages, admin: Any) -> None:
    (key,) = pages.keys("l2p/lobbies")
    form = pages.form("/l2p/lobbies/edit", pk=key)
    assert form["name"] == "two\r\nlines"
    pages.send("/l2p/lobbies/edit", form | {"settings": '{"rounds": [4, null]}'}, pk=key)
    lobby = await admin.fetchrow("SELECT name, settings->'rounds' AS rounds, code FROM lobbies")
    assert tuple(lobby) == ("two\nlines", "[4, null]", "ABCDEF")
    await admin.execute("INSERT INTO code_guesses (user_id, guessed_at) SELECT id, '{}' FROM users")
    (key,) = pages.keys("l2p/code_guesses")
    form = pages.form("/l2p/code_guesses/edit", pk=key)
    assert form["guessed_at"] == "{}"
    pages.send("/l2p/code_guesses/edit", form | {"guessed_at": "{2026-01-01 00:00+01}"}, pk=key)
    guessed = await admin.fetchval("SELECT guessed_at::text FROM code_guesses")
    assert "2025-12-31 23:00:00+00" in guessed


async def test_an_empty_field_is_null_where_the_column_allows_it(pages: Pages, admin: Any) -> None:
    await admin.execute("UPDATE users SET token_expires_at = now()")
    (key,) = pages.keys("l2p/users")
    form = pages.form("/l2p/users/edit", pk=key)
    assert form["token_expires_at"] != ""
    form["token_expires_at"] = ""
    assert pages.send("/l2p/users/edit", form, pk=key).status_code == 200
    assert await admin.fetchval("SELECT token_expires_at FROM users") is None
    (key,) = pages.keys("l2p/users")
    refused = pages.send("/l2p/users/edit", form | {"rating": ""}, pk=key)
    assert (refused.status_code, "invalid input syntax for type integer" in refused.text) == (422, True)


async def test_a_row_that_changed_meanwhile_is_neither_overwritten_nor_deleted(
    pages: Pages, admin: Any
) -> None:
    (key,) = pages.keys("l2p/users")
    form = pages.form("/l2p/users/edit", pk=key)
    await admin.execute("UPDATE users SET rating = 1, username = 'bea'")
    refused = pages.send("/l2p/users/edit", form | {"rating": "1300"}, pk=key)
    assert (refused.status_code, "changed or deleted meanwhile" in refused.text) == (422, True)
    headers = {"X-CSRFToken": form["csrftoken"], "Origin": pages.address}
    action = {"name": "delete", "pk": key}
    answer = pages.client.post("/l2p/_api/users/row-action", params=action, headers=headers)
    assert (answer.status_code, "changed or deleted meanwhile" in answer.json()["msg"]) == (400, True)
    assert tuple(await admin.fetchrow("SELECT username, rating FROM users")) == ("bea", 1)


async def test_a_row_is_inserted_with_the_columns_defaults_and_deleted(pages: Pages, admin: Any) -> None:
    form = pages.form("/l2p/users/create")
    assert set(form.values()) == {"", form["csrftoken"]}
    assert pages.send("/l2p/users/create", form | {"username": "bea"}).status_code == 200
    row = await admin.fetchrow("SELECT id, rating, created_at, email FROM users WHERE username = 'bea'")
    assert row["id"].version == 7
    assert (row["rating"], row["created_at"] is not None, row["email"]) == (1500, True, None)
    (key,) = pages.keys("l2p/users", filter="username__eq=bea")
    headers = {"X-CSRFToken": form["csrftoken"], "Origin": pages.address}
    for name, status in (("action", 400), ("row-action", 200)):
        told = {"name": "delete", "pk": key, "pks": key}
        answer = pages.client.post(f"/l2p/_api/users/{name}", params=told, headers=headers)
        assert answer.status_code == status, "many rows at once are refused"
    assert await admin.fetchval("SELECT count(*) FROM users") == 1


async def test_what_the_database_forbids_is_said_without_the_row(pages: Pages, admin: Any) -> None:
    form = pages.form("/l2p/users/create")
    taken = pages.send("/l2p/users/create", form | {"username": "ADA"})
    assert taken.status_code == 422
    assert "duplicate key value violates unique constraint" in taken.text
    too_many = pages.keys("l2p/lobbies")[0]
    form = pages.form("/l2p/lobbies/edit", pk=too_many)
    refused = pages.send("/l2p/lobbies/edit", form | {"max_players": "0"}, pk=too_many)
    assert (refused.status_code, "violates check constraint" in refused.text) == (422, True)
    assert "ABCDEF" not in taken.text + refused.text, "DETAIL holds the whole row"


async def test_what_the_role_may_not_do_is_said(server: TestServer, copy_database: CopyDatabase) -> None:
    copied = await copy_database("auth")
    async with connected(server, "auth", "admin", database=copied.url.database) as admin:
        await admin.execute("INSERT INTO audit_events (event) VALUES ('login')")
        with pages_of(StudioDatabase("auth", copied.url, writes=True)) as pages:
            (key,) = pages.keys("auth/audit_events")
            form = pages.form("/auth/audit_events/edit", pk=key)
            refused = pages.send("/auth/audit_events/edit", form | {"event": "logout"}, pk=key)
            told = "permission denied for table audit_events: auth_user may not do that"
            assert (refused.status_code, told in refused.text) == (422, True)
            answer = pages.client.post(
                "/auth/_api/audit_events/row-action",
                params={"name": "delete", "pk": key},
                headers={"X-CSRFToken": form["csrftoken"], "Origin": pages.address},
            )
            assert (answer.status_code, told in answer.json()["msg"]) == (400, True)
        assert await admin.fetchval("SELECT event FROM audit_events") == "login"
