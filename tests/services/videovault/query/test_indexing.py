"""Words are made when a video is written, and soon afterwards when plain SQL wrote it."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from dbcommon.engine import Database
from tests.clients import running
from tests.libs.dbcommon.pools import until
from tests.services.videovault.library import Library, settings_for
from tests.tokens import TokenMint
from videovault.main import create_app
from videovault.query.service import BATCH, index_rows
from videovault.query.words import index_columns, random_key

INSERT = "INSERT INTO videos (file_path, file_name, file_size, mime_type) VALUES"
STORED = (
    "SELECT words, search_text, search_starts, name_key, random_key, indexed_at FROM videos WHERE id = :id"
)


async def read_stored(library: Library, video: dict[str, Any]) -> dict[str, Any]:
    """A video's stored columns."""
    row = await library.app.component(Database).fetch_one(text(STORED), {"id": video["id"]})
    assert row is not None
    return dict(row._mapping)  # noqa: SLF001 - the public name of it


def expected(video: dict[str, Any]) -> dict[str, Any]:
    """What they should be, but for the time."""
    names = ("title", "file_name", "file_path", "description")
    return index_columns(UUID(video["id"]), **{name: video[name] for name in names}) | {"indexed_at": None}


async def test_a_new_video_has_its_words(library: Library) -> None:
    video = await library.add(title="Straße", description="夏の終わり")
    stored = await read_stored(library, video)
    assert stored["indexed_at"] is not None
    assert stored | {"indexed_at": None} == expected(video)
    assert {"strasse", "終わ", "終", "videos", "mp4"} <= set(stored["words"])


async def test_a_plain_insert_has_its_words_after_the_next_start(library: Library, mint: TokenMint) -> None:
    await library.execute(f"{INSERT} ('/films/Łódź.mp4', 'Łódź.mp4', 1, 'video/mp4')")
    settings = settings_for(library.app.component(Database).settings)
    async with running(create_app(settings, issuers=[mint.issuer])):
        await until(lambda: library.value("SELECT count(*) = 0 FROM videos WHERE indexed_at IS NULL"))
    (video,) = (await library.get("/v1/videos")).json()["items"]
    assert await read_stored(library, video) | {"indexed_at": None} == expected(video)


@pytest.mark.parametrize("field", ["title", "file_name", "file_path", "description"])
async def test_a_change_by_plain_sql_is_indexed_anew(library: Library, field: str) -> None:
    await library.add()
    await library.execute(f"UPDATE videos SET {field} = '/quay/x'")  # noqa: S608 - names of this file
    await index_rows(library.app.component(Database))
    (video,) = (await library.get("/v1/videos")).json()["items"]
    stored = await read_stored(library, video)
    assert "quay" in stored["words"]
    assert stored | {"indexed_at": None} == expected(video)


async def test_what_does_not_touch_words_leaves_them(library: Library) -> None:
    video = await library.add()
    before = await read_stored(library, video)
    await library.execute("UPDATE videos SET file_size = file_size + 1, file_name = file_name")
    assert await read_stored(library, video) == before


async def test_rows_of_several_batches_are_indexed(library: Library) -> None:
    await library.execute(
        "INSERT INTO videos (file_path, file_name, file_size, mime_type)"
        " SELECT '/' || n, 'name ' || n, 1, 'video/mp4' FROM generate_series(1, :rows) n",
        rows=2 * BATCH + 1,
    )
    await index_rows(library.app.component(Database))
    assert await library.value("SELECT count(*) FROM videos WHERE words @> '{name}'") == 2 * BATCH + 1


async def test_the_vocabulary_has_words_of_letters_and_what_they_are_without_one(library: Library) -> None:
    await library.execute("DELETE FROM vocabulary")
    video = await library.add(title="Quay 2 of K2", file_name="夏", file_path="/ab/x")
    assert await library.value("SELECT array_agg(word || ':' || edits::text) FROM vocabulary") == [
        "quay:{quay,uay,qay,quy,qua}"
    ]
    await library.add(title="Quay quays", file_name="夏", file_path="/ab/y")
    assert await library.value("SELECT array_agg(word ORDER BY word) FROM vocabulary") == ["quay", "quays"]
    await library.execute("UPDATE videos SET words = '{quays,harbour}' WHERE id = :id", id=video["id"])
    assert await library.value("SELECT count(*) FROM vocabulary") == 3


def test_the_random_key_is_xxh3_of_the_bytes() -> None:
    assert random_key(b"") == int.from_bytes(bytes.fromhex("2d06800538d394c2"), "big", signed=True)
