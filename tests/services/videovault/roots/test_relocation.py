"""A root whose folder is elsewhere."""

import os
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.services.videovault.scans.folders import Films, counts, make_root


async def relocate(films: Films, path: Path, **more: Any) -> httpx.Response:
    """POST /v1/roots/{id}/relocate."""
    return await films.library.client.post(
        f"/v1/roots/{films.root_id}/relocate", json={"path": str(path), **more}, headers=films.library.editor
    )


async def test_a_root_that_was_copied_elsewhere_keeps_its_videos_and_reads_no_file(
    films: Films, folder: Path
) -> None:
    for name in ("a.mp4", "b/c.mp4", b"bad\xff.mp4"):
        films.write(name)
    await films.scan()
    before = await films.ids()
    new = folder.with_name(f"{folder.name} new")
    shutil.copytree(films.folder, new)

    answer = await relocate(films, new)

    assert (answer.status_code, answer.json()["path"]) == (200, str(new))
    there = Films(films.library, new, films.root_id)
    assert await there.ids() == before
    true_bytes = await films.library.value("SELECT path_bytes FROM videos WHERE path_bytes IS NOT NULL")
    assert true_bytes == os.fsencode(new) + b"/bad\xff.mp4"
    assert counts(await there.scan()) == {"unchanged": 3}
    assert counts(await there.scan()) == {"unchanged": 3}


async def test_missing_videos_move_with_their_root_and_return(films: Films, folder: Path) -> None:
    films.write("a.mp4")
    await films.scan()
    before = await films.ids()
    new = folder.with_name(f"{folder.name} new")
    films.folder.rename(new)
    assert (await films.scan_to_end())["status"] == "root_unreachable"

    assert (await relocate(films, new)).status_code == 200

    there = Films(films.library, new, films.root_id)
    assert await there.missing() == before
    assert counts(await there.scan()) == {"returned": 1}
    assert await there.ids() == before


async def test_a_root_moves_into_itself_and_out_again(films: Films) -> None:
    for name in ("a.mp4", "x/a.mp4", "x/x/a.mp4"):
        films.write(name)
    await films.scan()
    before = await films.ids()
    inner = films.folder / "x"

    assert (await relocate(films, inner)).status_code == 200
    assert await Films(films.library, inner, films.root_id).ids() == before
    assert (await relocate(films, films.folder)).status_code == 200
    assert await films.ids() == before


async def test_a_folder_without_the_files_is_refused_unless_forced(films: Films, folder: Path) -> None:
    films.write("a.mp4")
    await films.scan()
    empty = folder.with_name(f"{folder.name} empty")
    empty.mkdir()

    refused = await relocate(films, empty)
    forced = await relocate(films, empty, force=True)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/files-not-there")
    assert forced.status_code == 200
    assert set(await Films(films.library, empty, films.root_id).ids()) == {"a.mp4"}


async def test_the_path_of_another_video_is_not_taken(films: Films, folder: Path) -> None:
    films.write("a.mp4")
    await films.scan()
    new = folder.with_name(f"{folder.name} new")
    shutil.copytree(films.folder, new)
    other = await films.library.add(file_path=f"{new}/a.mp4")

    answer = await relocate(films, new)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/relocation-taken")
    assert set(await films.ids()) == {"a.mp4", other["file_path"]}


async def test_where_a_root_cannot_go(films: Films, folder: Path) -> None:
    other = await make_root(films.library, folder.with_name(f"{folder.name} other"))
    (other.folder / "in it").mkdir()

    for path, status, slug in (
        (other.folder / "in it", 409, "roots-overlap"),
        (Path("/usr"), 422, "outside-media-roots"),
        (folder / "none", 422, "not-a-folder"),
    ):
        answer = await relocate(films, path)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    nobody = Films(films.library, folder, str(uuid4()))
    assert (await relocate(nobody, folder)).status_code == 404
