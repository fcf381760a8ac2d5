"""The log of changes, which the database writes: by HTTP and by plain SQL."""

import json
import re
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from tests.services.videovault.changes.log import read_log
from tests.services.videovault.library import Library, a_video, tag
from videovault.changes.repository import By, begin

TIME = re.compile(r"\d{13}-\d{5}-server")


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


async def insert_video(sql: Any, path: str = "/a") -> UUID:
    """Insert a video by plain SQL; returns its id."""
    video_id: UUID = await sql.fetchval(
        "INSERT INTO videos (file_path, file_name, file_size, mime_type) VALUES ($1, 'a', 1, 'video/mp4') RETURNING id",
        path,
    )
    return video_id


async def changes_of(sql: Any, video_id: UUID, *, after: int = 0) -> list[tuple[Any, ...]]:
    """Field, old and new value of a video's changes, oldest first."""
    rows = await sql.fetch(
        'SELECT field, old, "new" FROM changes WHERE entity_id = $1 AND seq > $2 ORDER BY seq, field',
        video_id,
        after,
    )
    return [tuple(row) for row in rows]


async def test_recording_a_video_is_logged_with_its_record_and_its_tags(library: Library) -> None:
    video = await library.add(title="Harbour", metadata={"width": 1920}, tags=[tag("Place", "Harbour")])

    made, tagged = await read_log(library, video["id"])

    assert (made["entity"], made["field"], made["old"], made["status"]) == ("video", "*", None, "applied")
    record = made["new"]
    clocks = record.pop("clocks")
    assert record == {
        name: value for name, value in video.items() if name not in {"id", "tags", "updated_at"}
    }
    assert clocks == {"*": made["at"]}
    assert TIME.fullmatch(made["at"])
    assert (tagged["entity"], tagged["field"], tagged["old"]) == ("tag", "place:harbour", None)
    assert tagged["new"] == {tagged["at"]: ["Place", "Harbour"]}
    assert tagged["at"] > made["at"]
    assert made["actor"] == tagged["actor"]
    assert UUID(made["actor"])
    assert (made["operation_id"], made["user_id"]) == (None, None)


async def test_deleting_a_video_is_one_change_of_an_operation_and_keeps_it_whole(library: Library) -> None:
    video = await library.add(tags=[tag("place", "harbour")])

    operation_id = (await library.delete(video["id"])).json()["operation_id"]

    *_, deleted = await read_log(library, video["id"])
    assert (deleted["field"], deleted["new"], str(deleted["operation_id"])) == ("*", None, operation_id)
    assert deleted["old"]["file_path"] == video["file_path"]
    assert len(await read_log(library, video["id"])) == 3
    kept = "SELECT json_build_array(at, record ->> 'file_path', tags -> 0 ->> 'tag_name')"
    assert await library.value(f"{kept} FROM tombstones WHERE id = '{video['id']}'") == [
        deleted["at"],
        video["file_path"],
        "harbour",
    ]


async def test_what_is_refused_leaves_no_change_and_no_operation(library: Library) -> None:
    video = await library.add()
    count = "SELECT json_build_array((SELECT count(*) FROM operations), (SELECT count(*) FROM changes))"
    before = await library.value(count)

    assert (await library.delete(str(uuid4()))).status_code == 404
    assert (await library.post(a_video(file_path=video["file_path"]))).status_code == 409

    assert await library.value(count) == before


async def test_a_transaction_says_who_it_is_and_the_next_one_is_plain_sql(library: Library) -> None:
    video = await library.add()
    rename = text("UPDATE videos SET title = :title WHERE id = :id")
    async with library.app.component(Database).transaction() as db:
        await begin(db, By(actor="scan:7"))
        await db.execute(rename, {"title": "one", "id": UUID(video["id"])})
    async with library.app.component(Database).transaction() as db:
        await db.execute(rename, {"title": "two", "id": UUID(video["id"])})

    log = await read_log(library, video["id"])

    assert [row["actor"] for row in log[1:]] == ["scan:7", "sql"]


async def test_each_field_that_a_statement_changes_is_a_row_and_others_are_none(sql: Any) -> None:
    video_id = await insert_video(sql)
    last = await sql.fetchval("SELECT max(seq) FROM changes")

    await sql.execute(
        "UPDATE videos SET title = 'A', file_size = 2, mime_type = mime_type, duration_seconds = 61,"
        " missing_since = '2026-11-30 12:00+01', updated_at = now() WHERE id = $1",
        video_id,
    )

    assert {row[0]: row[1:] for row in await changes_of(sql, video_id, after=last)} == {
        "duration_seconds": (None, 61),
        "file_size": (1, 2),
        "missing_since": (None, "2026-11-30T11:00:00Z"),
        "title": (None, "A"),
    }
    row = await sql.fetchrow("SELECT clocks, last_at FROM videos WHERE id = $1", video_id)
    assert {
        row["clocks"][field] for field in ("title", "file_size", "duration_seconds", "missing_since")
    } == {row["last_at"]}
    assert row["clocks"]["*"] < row["last_at"]


async def test_metadata_is_logged_by_its_keys(sql: Any) -> None:
    video_id = await insert_video(sql)
    await sql.execute("UPDATE videos SET metadata = $2 WHERE id = $1", video_id, {"a": 1, "b/c": [1], "d": 0})
    last = await sql.fetchval("SELECT max(seq) FROM changes")

    await sql.execute("UPDATE videos SET metadata = $2 WHERE id = $1", video_id, {"a": 2, "d": 0, "e": None})

    changed = {row[0]: row[1:] for row in await changes_of(sql, video_id, after=last)}
    assert changed == {"metadata/a": (1, 2), "metadata/b/c": ([1], None), "metadata/e": (None, None)}
    assert (
        await sql.fetchval("SELECT count(*) FROM changes WHERE \"new\" = 'null'::jsonb AND seq > $1", last)
        == 1
    )


async def test_what_is_not_tracked_is_not_logged(sql: Any) -> None:
    video_id = await insert_video(sql)
    last = await sql.fetchval("SELECT max(seq) FROM changes")

    await sql.execute(
        "UPDATE videos SET updated_at = now(), title = NULL, metadata = '{}' WHERE id = $1", video_id
    )

    assert await changes_of(sql, video_id, after=last) == []


async def test_two_videos_swap_paths_and_the_name_in_the_way_is_never_logged(sql: Any) -> None:
    one, other = await insert_video(sql, "/a"), await insert_video(sql, "/b")
    last = await sql.fetchval("SELECT max(seq) FROM changes")

    await sql.execute(
        "UPDATE videos SET file_path = file_path || E'\\x01' || 'displaced' WHERE id = $1", other
    )
    await sql.execute("UPDATE videos SET file_path = '/b' WHERE id = $1", one)
    await sql.execute("UPDATE videos SET file_path = '/a' WHERE id = $1", other)

    assert await changes_of(sql, one, after=last) == [("file_path", "/a", "/b")]
    assert await changes_of(sql, other, after=last) == [("file_path", "/b", "/a")]


async def test_a_tag_is_logged_added_respelled_renamed_and_removed(sql: Any) -> None:
    video_id = await insert_video(sql)
    last = await sql.fetchval("SELECT max(seq) FROM changes")
    await sql.execute(
        "INSERT INTO tags (video_id, tag_category, tag_name) VALUES ($1, 'Place', 'Harbour')", video_id
    )
    await sql.execute("UPDATE tags SET tag_name = 'harbour' WHERE video_id = $1", video_id)
    await sql.execute("UPDATE tags SET tag_name = 'Quay' WHERE video_id = $1", video_id)
    await sql.execute("DELETE FROM tags WHERE video_id = $1", video_id)

    rows = [
        (field, old and list(old.values()), new and list(new.values()))
        for field, old, new in await changes_of(sql, video_id, after=last)
    ]

    assert rows[:2] == [
        ("place:harbour", None, [["Place", "Harbour"]]),
        ("place:harbour", [["Place", "Harbour"]], [["Place", "harbour"]]),
    ]
    assert sorted(rows[2:4]) == [
        ("place:harbour", [["Place", "harbour"]], {}),
        ("place:quay", None, [["Place", "Quay"]]),
    ]
    assert rows[4:] == [("place:quay", [["Place", "Quay"]], None)]
    assert await sql.fetchval("SELECT count(*) FROM removed_tags WHERE video_id = $1", video_id) == 3


async def test_a_write_of_the_server_is_later_than_what_a_device_that_is_ahead_wrote(sql: Any) -> None:
    video_id = await insert_video(sql)
    ahead = f"{int(time.time() * 1000) + 86_400_000:013}-99999-phone"
    await sql.execute(
        "UPDATE videos SET title = 'phone', last_at = $2, clocks = clocks || jsonb_build_object('title', $2::text)"
        " WHERE id = $1",
        video_id,
        ahead,
    )

    await sql.execute("UPDATE videos SET title = 'server' WHERE id = $1", video_id)
    await sql.execute("DELETE FROM videos WHERE id = $1", video_id)

    log = await sql.fetch("SELECT field, at FROM changes WHERE entity_id = $1 ORDER BY seq", video_id)
    assert [row["field"] for row in log] == ["*", "title", "title", "*"]
    times = [row["at"] for row in log]
    assert times[1] == ahead
    assert times == sorted(set(times))


async def test_a_later_time_of_the_same_value_is_logged(sql: Any) -> None:
    video_id = await insert_video(sql)
    last = await sql.fetchval("SELECT max(seq) FROM changes")
    later = f"{int(time.time() * 1000) + 1000:013}-00000-phone"

    await sql.execute(
        "UPDATE videos SET last_at = $2, clocks = clocks || jsonb_build_object('file_name', $2::text) WHERE id = $1",
        video_id,
        later,
    )

    assert await changes_of(sql, video_id, after=last) == [("file_name", "a", "a")]


async def test_the_id_of_a_video_stays(sql: Any) -> None:
    video_id = await insert_video(sql)

    with pytest.raises(asyncpg.RestrictViolationError):
        await sql.execute("UPDATE videos SET id = gen_random_uuid() WHERE id = $1", video_id)


async def test_the_runtime_role_adds_to_the_log_and_changes_nothing_of_it(sql: Any) -> None:
    await insert_video(sql)
    for statement in ("UPDATE changes SET actor = 'x'", "DELETE FROM changes", "TRUNCATE changes"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with sql.transaction():
                await sql.execute(statement)


@pytest.mark.long
async def test_ten_thousand_rows_in_one_statement_are_ten_thousand_changes(library: Library) -> None:
    # After a statement on one row in the same session, whose plan would take minutes.
    async with library.app.component(Database).transaction() as db:
        await db.execute(
            text(
                "INSERT INTO videos (file_path, file_name, file_size, mime_type) VALUES ('/first', 'a', 1, 'video/mp4')"
            )
        )
        await db.execute(text("UPDATE videos SET title = 'x'"))
        await db.execute(
            text(
                "INSERT INTO videos (file_path, file_name, file_size, mime_type)"
                " SELECT '/many/' || n, n, n, 'video/mp4' FROM generate_series(1, 10000) n"
            )
        )
        before = (await db.execute(text("SELECT max(seq) FROM changes"))).scalar_one()
        await db.execute(text("UPDATE videos SET title = file_name WHERE file_path ^@ '/many/'"))
        counted = text(
            "SELECT count(*), count(*) FILTER (WHERE c.new = to_jsonb(v.file_name) AND c.at = v.clocks ->> 'title')"
            " FROM changes c JOIN videos v ON v.id = c.entity_id WHERE c.seq > :before AND c.field = 'title'"
        )
        counts = (await db.execute(counted, {"before": before})).one()
    assert tuple(counts) == (10_000, 10_000)
