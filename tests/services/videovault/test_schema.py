"""The rules of the tables themselves, by plain SQL."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from dbcommon.settings import DatabaseSettings


@pytest_asyncio.fixture
async def connection(database: DatabaseSettings) -> Any:
    """A connection of the runtime role, in a transaction that is rolled back at the end."""
    connection = await asyncpg.connect(**database.url.connect_arguments(application_name="tests"))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def insert_video(connection: Any, path: str = "/a", **changed: Any) -> UUID:
    """Insert a video by plain SQL; returns its id."""
    row = {"file_path": path, "file_name": "a", "file_size": 1, "mime_type": "video/mp4", **changed}
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    statement = f"INSERT INTO videos ({', '.join(row)}) VALUES ({places}) RETURNING id"  # noqa: S608 - names of this file
    video_id: UUID = await connection.fetchval(statement, *row.values())
    return video_id


async def insert_tag(connection: Any, video_id: UUID, *, name: str, category: str = "place") -> None:
    """Insert a tag by plain SQL."""
    await connection.execute(
        "INSERT INTO tags (video_id, tag_name, tag_category) VALUES ($1, $2, $3)", video_id, name, category
    )


async def test_plain_sql_may_leave_out_columns_with_a_default(connection: Any) -> None:
    video_id = await insert_video(connection)
    row = await connection.fetchrow("SELECT * FROM videos WHERE id = $1", video_id)
    await connection.execute(
        "INSERT INTO watch_history (video_id, user_id) VALUES ($1, $2)", video_id, uuid4()
    )
    viewing = await connection.fetchrow("SELECT * FROM watch_history")

    assert (row["metadata"], row["duration_seconds"], row["hash"]) == ("{}", None, None)
    assert row["created_at"] is not None
    assert (viewing["position_seconds"], viewing["completed"]) == (0, False)
    assert viewing["watched_at"] is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"file_size": -1},
        {"duration_seconds": -1},
        {"file_path": ""},
        {"file_name": ""},
        {"metadata": "[]"},
    ],
)
async def test_invalid_values_are_refused_by_the_table(connection: Any, changed: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert_video(connection, **changed)


async def test_a_position_before_the_beginning_is_refused_by_the_table(connection: Any) -> None:
    video_id = await insert_video(connection)

    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO watch_history (video_id, user_id, position_seconds) VALUES ($1, $2, -1)",
            video_id,
            uuid4(),
        )


async def test_a_path_is_unique_and_a_hash_is_not(connection: Any) -> None:
    await insert_video(connection, "/a", hash="same")
    await insert_video(connection, "/b", hash="same")

    with pytest.raises(asyncpg.UniqueViolationError) as refusal:
        await insert_video(connection, "/a")

    assert refusal.value.constraint_name == "uq_videos_file_path"


@pytest.mark.parametrize("spelling", ["CAF\u00c9", "cafe\u0301", "CAFE\u0301", "\uff23af\u00e9"])
async def test_a_tag_is_unique_in_a_video_and_category_whatever_its_spelling(
    connection: Any, spelling: str
) -> None:
    video_id, other = await insert_video(connection, "/a"), await insert_video(connection, "/b")
    await insert_tag(connection, video_id, name="caf\u00e9")
    await insert_tag(connection, video_id, name=spelling, category="mood")
    await insert_tag(connection, other, name=spelling)

    with pytest.raises(asyncpg.UniqueViolationError):
        await insert_tag(connection, video_id, name=spelling, category="PLACE")


async def test_tags_go_with_their_video_and_viewings_wait_for_it(connection: Any) -> None:
    video_id = await insert_video(connection)
    await insert_tag(connection, video_id, name="harbour")
    await connection.execute(
        "INSERT INTO watch_history (video_id, user_id) VALUES ($1, $2)", video_id, uuid4()
    )

    await connection.execute("DELETE FROM videos WHERE id = $1", video_id)

    assert await connection.fetchval("SELECT count(*) FROM tags") == 0
    assert await connection.fetchval("SELECT count(*) FROM watch_history WHERE video_id = $1", video_id) == 1
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await insert_tag(connection, video_id, name="harbour")


async def test_every_foreign_key_leads_an_index(connection: Any) -> None:
    uncovered = await connection.fetch(
        "SELECT c.conname FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])"
    )
    keys = await connection.fetchval(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )

    assert (keys, uncovered) == (5, [])
