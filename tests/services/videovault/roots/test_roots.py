"""Roots: made, listed, forgotten."""

import asyncio
import os
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.services.videovault.library import Library
from tests.services.videovault.scans.folders import Films, counts, make_root, write


async def create(library: Library, path: Path | str) -> httpx.Response:
    """POST /v1/roots."""
    return await library.client.post("/v1/roots", json={"path": str(path)}, headers=library.editor)


async def test_a_root_is_listed_by_its_real_path(library: Library, media: Path, folder: Path) -> None:
    os.mkdir(folder)
    link = folder.with_name(f"{folder.name} link")
    link.symlink_to(folder)

    created = await create(library, f"{link}/../{folder.name}/")

    assert (created.status_code, created.json()["path"]) == (201, str(folder))
    listed = (await library.get("/v1/roots")).json()
    assert listed == {"items": [created.json()], "next_cursor": None}


async def test_roots_are_paged_by_path(library: Library, folder: Path) -> None:
    for name in "bca":
        await make_root(library, folder / name)

    first = (await library.get("/v1/roots", limit=2)).json()
    second = (await library.get("/v1/roots", limit=2, cursor=first["next_cursor"])).json()

    assert [root["path"] for root in first["items"] + second["items"]] == [
        f"{folder}/{name}" for name in "abc"
    ]


async def test_only_folders_inside_of_the_media_roots_become_roots(
    library: Library, media: Path, folder: Path
) -> None:
    os.mkdir(folder)
    (folder / "out").symlink_to("/usr")
    (folder / "file").write_bytes(b"")

    for path, slug in {
        "/usr": "outside-media-roots",
        f"{media}-too": "outside-media-roots",
        f"{folder}/../..": "outside-media-roots",
        f"{folder}/out": "outside-media-roots",
        f"{folder}/none": "not-a-folder",
        f"{folder}/file": "not-a-folder",
    }.items():
        answer = await create(library, path)
        assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{slug}"), path
    assert (await create(library, "relative")).status_code == 422


async def test_roots_do_not_contain_each_other(library: Library, folder: Path) -> None:
    await make_root(library, folder / "a" / "b")
    await make_root(library, folder / "a2")
    (folder / "a/b/c").mkdir()

    for path in (folder / "a/b", folder / "a", folder / "a/b/c", folder):
        answer = await create(library, path)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/roots-overlap"), path


async def test_of_fifty_that_contain_each_other_at_once_one_becomes_a_root(
    library: Library, folder: Path
) -> None:
    paths = [folder / "/".join("d" * depth) for depth in range(1, 51)]
    paths[-1].mkdir(parents=True)

    answers = await asyncio.gather(*(create(library, path) for path in paths))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert await library.value("SELECT count(*) FROM roots") == 1


async def test_a_path_of_any_bytes_becomes_a_root(library: Library, folder: Path) -> None:
    odd = os.fsencode(folder) + b"/odd\xff"
    write(odd + b"/a.mp4", b"content")

    created = await create(library, f"{folder}/odd\\xff")
    films = Films(library, folder, created.json()["id"])

    assert (created.status_code, created.json()["path"]) == (201, f"{folder}/odd\\xff")
    assert (await films.scan())["added"] == 1
    assert set(await films.ids()) == {"odd\\xff/a.mp4"}
    assert counts(await films.scan()) == {"unchanged": 1}


async def test_the_videos_of_a_root_that_is_forgotten_are_missing_until_it_is_there_again(
    films: Films,
) -> None:
    films.write("a.mp4")
    by_hand = await films.library.add(file_path=f"{films.folder}/by hand.mp4")
    await films.scan()
    before = await films.ids()

    path = f"/v1/roots/{films.root_id}"
    assert (await films.library.client.delete(path, headers=films.library.editor)).status_code == 204

    assert await films.missing() == {"a.mp4": before["a.mp4"]}
    assert await films.ids() == {"by hand.mp4": by_hand["id"]}
    assert (await films.library.client.delete(path, headers=films.library.editor)).status_code == 404
    again = await make_root(films.library, films.folder)
    assert counts(await again.scan()) == {"returned": 1}
    assert await again.ids() == before


@pytest.mark.parametrize("body", [{"path": ""}, {"path": "a\0b"}, {}, {"path": "/a", "other": 1}])
async def test_bad_bodies_are_refused(library: Library, body: dict[str, object]) -> None:
    for path in ("/v1/roots", f"/v1/roots/{uuid4()}/relocate"):
        answer = await library.client.post(path, json=body, headers=library.editor)
        assert answer.status_code == 422


async def test_readers_look_at_roots_and_change_none(library: Library, folder: Path) -> None:
    for method, path, body in (
        ("POST", "/v1/roots", {"path": str(folder)}),
        ("POST", f"/v1/roots/{uuid4()}/relocate", {"path": str(folder)}),
        ("POST", "/v1/scans", {}),
        ("POST", "/v1/videos/purge-missing", {}),
        ("DELETE", f"/v1/roots/{uuid4()}", None),
        ("DELETE", f"/v1/scans/{uuid4()}", None),
    ):
        answer = await library.client.request(method, path, json=body, headers=library.reader)
        assert answer.status_code == 403, path
    assert (await library.get("/v1/roots")).status_code == 200
