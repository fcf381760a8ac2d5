"""Rows that are fields alone, by plain SQL: their times, their log, what becomes of them when they are deleted; and undo."""

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from tests.services.videovault.library import Library
from tests.tokens import TokenMint
from videovault.changes.merge import ROWS
from videovault.changes.repository import begin_operation
from videovault.entities.registry import ENTITIES
from videovault.entities.repository import RowWrite, write_fields
from videovault.sync import operations


@pytest_asyncio.fixture
async def sql(database: DatabaseSettings) -> Any:
    """A connection of the runtime role, in a transaction that is rolled back at the end."""
    connection = await asyncpg.connect(**database.url.connect_arguments(application_name="tests"))
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def log_of(sql: Any, row_id: UUID) -> list[Any]:
    """The changes of a row, oldest first."""
    rows: list[Any] = await sql.fetch(
        'SELECT field, old, "new", at, user_id FROM changes WHERE entity_id = $1 ORDER BY seq', row_id
    )
    return rows


async def test_a_row_is_logged_with_the_fields_that_were_given(sql: Any) -> None:
    user, video = uuid4(), uuid4()
    row_id = await sql.fetchval(
        "INSERT INTO mine (user_id, video_id, rating) VALUES ($1, $2, 3) RETURNING id", user, video
    )
    await sql.execute("UPDATE mine SET favourite = true, rating = 3 WHERE id = $1", row_id)
    await sql.execute("DELETE FROM mine WHERE id = $1", row_id)

    made, changed, deleted = await log_of(sql, row_id)

    assert (made["field"], made["old"], made["user_id"]) == ("*", None, user)
    clocks = {"video_id": made["at"], "rating": made["at"]}
    assert made["new"] == {"video_id": str(video), "rating": 3, "clocks": clocks}
    assert (changed["field"], changed["old"], changed["new"]) == ("favourite", False, True)
    assert (deleted["field"], deleted["new"], deleted["old"]["favourite"]) == ("*", None, True)
    assert made["at"] < changed["at"] < deleted["at"]
    grave = await sql.fetchrow("SELECT * FROM deleted_rows WHERE id = $1", row_id)
    assert (grave["entity"], grave["user_id"], grave["at"]) == ("mine", user, deleted["at"])


async def test_a_row_made_anew_is_later_than_its_deletion(sql: Any) -> None:
    insert = "INSERT INTO mine (id, user_id, video_id) VALUES ($1, $1, $1)"
    row_id = uuid4()
    await sql.execute(insert, row_id)
    await sql.execute("SELECT set_config('videovault.at', '9000000000000-00000-phone', true)")
    await sql.execute("DELETE FROM mine WHERE id = $1", row_id)
    await sql.execute(insert, row_id)

    assert await sql.fetchval("SELECT last_at FROM mine WHERE id = $1", row_id) > "9000000000000-00000-phone"
    assert await sql.fetchval("SELECT count(*) FROM deleted_rows WHERE id = $1", row_id) == 0


async def test_the_id_of_a_row_stays(sql: Any) -> None:
    await sql.execute("INSERT INTO mine (user_id, video_id) VALUES ($1, $1)", uuid4())

    with pytest.raises(asyncpg.RestrictViolationError):
        await sql.execute("UPDATE mine SET id = gen_random_uuid()")


@pytest.mark.long
async def test_ten_thousand_rows_in_one_statement_are_ten_thousand_changes(sql: Any) -> None:
    insert = "INSERT INTO mine (user_id, video_id) SELECT $1, gen_random_uuid() FROM generate_series(1, $2)"
    user = uuid4()
    await sql.execute(insert, user, 1)
    await sql.execute("UPDATE mine SET rating = 1 WHERE user_id = $1", user)
    await sql.execute(insert, user, 9_999)
    await sql.execute("UPDATE mine SET rating = 2 WHERE user_id = $1", user)
    await sql.execute("DELETE FROM mine WHERE user_id = $1", user)

    counts = await sql.fetch(
        'SELECT field, count(*) FROM changes WHERE user_id = $1 GROUP BY field, "new" ->> 0, "new" IS NULL ORDER BY 2',
        user,
    )
    assert sorted(map(tuple, counts)) == [("*", 10_000), ("*", 10_000), ("rating", 1), ("rating", 10_000)]


async def test_triggers_registry_and_operations_name_the_same_fields(sql: Any) -> None:
    definitions = await sql.fetch(
        "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger WHERE tgname = 'stamp_row'"
    )

    tracked = {table: arguments.split(r"\000")[:-1] for table, arguments in definitions}
    assert tracked == {
        rows.table: [entity, "user_id" if rows.is_own else "", *rows.fields]
        for entity, rows in ENTITIES.items()
    }
    pulled = {"tag_alias", "tag_parent"}  # and not written by devices
    assert ENTITIES.keys() == ROWS.keys() == operations.ENTITIES.keys() - {"video", "tag"} | pulled
    for entity, rows in ENTITIES.items():
        assert ROWS[entity] | rows.defaults.keys() == set(rows.fields)
        assert rows.refers.keys() <= rows.fixed <= set(rows.fields)


async def test_a_users_operation_is_undone_by_that_user_alone(library: Library, mint: TokenMint) -> None:
    user_id = uuid4()
    headers = mint.headers(user_id=user_id)
    kept, made, gone = uuid4(), uuid4(), uuid4()
    for row_id in (kept, gone):
        await library.execute(
            "INSERT INTO mine (id, user_id, video_id, rating) VALUES (:id, :user, :id, 1)",
            id=row_id,
            user=user_id,
        )
    async with library.app.component(Database).transaction() as db:
        operation_id = await begin_operation(db, str(user_id), user_id=user_id)
        write = RowWrite(id=kept, values={"rating": 2, "favourite": True}, clocks={})
        await write_fields(db, "mine", [write])
        connection = await db.connection()
        await connection.exec_driver_sql("DELETE FROM mine WHERE id = $1", (gone,))
        await connection.exec_driver_sql(
            "INSERT INTO mine (id, user_id, video_id) VALUES ($1, $2, $1)", (made, user_id)
        )
    await library.execute("UPDATE mine SET rating = 9 WHERE id = :id", id=kept)
    path = f"/v1/operations/{operation_id}/undo"

    refused = await library.client.post(path, headers=library.editor)
    answer = await library.client.post(path, headers=headers)
    again = await library.client.post(path, headers=headers)

    assert (refused.status_code, answer.status_code, again.status_code) == (404, 200, 409)
    rating = {"entity": "mine", "entity_id": str(kept), "field": "rating", "reason": "changed-since"}
    assert (answer.json()["undone"], answer.json()["kept"]) == (3, [rating])
    rows = await library.value(
        f"SELECT json_object_agg(id, json_build_array(favourite, rating)) FROM mine WHERE user_id = '{user_id}'"  # noqa: S608
    )
    assert rows == {str(kept): [False, 9], str(gone): [False, 1]}
    back = await library.client.post(f"/v1/operations/{answer.json()['operation_id']}/undo", headers=headers)
    assert back.json()["undone"] == 3


async def test_a_reader_undoes_nothing_of_the_library(library: Library) -> None:
    video = await library.add()
    operation_id = (await library.delete(video["id"])).json()["operation_id"]

    answer = await library.client.post(f"/v1/operations/{operation_id}/undo", headers=library.reader)

    assert answer.status_code == 403
