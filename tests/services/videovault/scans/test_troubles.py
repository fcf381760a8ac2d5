"""Scans of what is not there, cannot be read, or changes meanwhile."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.services.videovault.scans.folders import Films, counts
from videovault.files.identity import FileFacts
from videovault.files.walking import FoundFile
from videovault.scans.reading import read_files
from videovault.settings import Settings


async def ten(films: Films) -> dict[str, str]:
    """Ten films that are scanned; their ids."""
    for number in range(10):
        films.write(f"{number}.mp4")
    await films.scan()
    return await films.ids()


async def test_a_root_in_whose_place_an_empty_folder_is_loses_nothing(films: Films) -> None:
    before = await ten(films)
    off = films.folder.with_name(f"{films.folder.name}.off")
    films.folder.rename(off)
    films.folder.mkdir()

    scan = await films.scan_to_end()

    assert scan["status"] == "root_unreachable"
    assert [error["code"] for error in scan["result"]["errors"]] == ["root_unreachable"]
    assert counts(scan["result"]) == {"missing": 10}
    assert await films.missing() == before
    films.folder.rmdir()
    assert (await films.scan_to_end())["status"] == "root_unreachable"
    off.rename(films.folder)
    assert counts(await films.scan()) == {"returned": 10}
    assert await films.ids() == before


async def test_a_folder_that_was_emptied_is_there(films: Films) -> None:
    before = await ten(films)
    for path in films.folder.iterdir():
        path.unlink()

    scan = await films.scan_to_end()

    assert (scan["status"], counts(scan["result"])) == ("done", {"missing": 10})
    assert await films.missing() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_a_root_that_may_not_be_read_loses_nothing(films: Films) -> None:
    before = await ten(films)
    films.folder.chmod(0)
    try:
        scan = await films.scan_to_end()
    finally:
        films.folder.chmod(0o755)

    assert scan["status"] == "root_unreachable"
    assert await films.missing() == before


async def test_a_root_that_became_a_link_to_elsewhere_is_unreachable(films: Films) -> None:
    before = await ten(films)
    films.folder.rename(films.folder.with_name(f"{films.folder.name}.off"))
    films.folder.symlink_to("/usr")

    assert (await films.scan_to_end())["status"] == "root_unreachable"
    assert await films.missing() == before


async def test_links_in_a_root_are_safe(films: Films) -> None:
    films.write("a/film.mp4")
    (films.folder / "a/loop").symlink_to("..")
    (films.folder / "b").symlink_to("a")
    (films.folder / "dead.mp4").symlink_to("/nowhere")
    (films.folder / "out").symlink_to("/etc")

    result = await films.scan()

    assert counts(result) == {"added": 1, "hashed": 1, "opened": 1}
    assert [(error["path"], error["code"]) for error in result["errors"]] == [
        (f"{films.folder}/dead.mp4", "unreadable")
    ]


async def test_errors_are_listed_up_to_a_thousand_and_all_are_counted(films: Films) -> None:
    for number in range(1010):
        (films.folder / f"{number}.mp4").symlink_to("/nowhere")

    result = await films.scan()

    assert (len(result["errors"]), result["error_count"]) == (1000, 1010)


async def test_a_file_that_grows_while_it_is_read_waits_for_the_next_scan(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"half and half")
    seen = FoundFile(os.fsencode(path), str(path), FileFacts(size=4, mtime=0, inode=path.stat().st_ino))

    reading = await read_files([seen])

    assert (reading.files, reading.opened) == ([], 1)
    assert [trouble.code for trouble in reading.troubles] == ["incomplete"]


async def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    seen = FoundFile(os.fsencode(tmp_path / "none.mp4"), "none", FileFacts(size=4, mtime=0, inode=0))

    reading = await read_files([seen])

    assert [(trouble.code, trouble.detail) for trouble in reading.troubles] == [
        ("unreadable", "no such file or directory")
    ]


async def test_a_half_copied_file_is_one_video_when_it_is_whole(films: Films) -> None:
    films.write("a.mp4", b"x" * 600)
    await films.scan()
    (video_id,) = (await films.ids()).values()
    films.write("a.mp4", b"x" * 1000)

    assert counts(await films.scan()) == {"changed": 1, "hashed": 1, "opened": 1}
    assert await films.ids() == {"a.mp4": video_id}


_at_opening: Callable[[bytes], None] | None = None


def _note_opening(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook, which cannot be removed: tells whoever wants to know which files and folders are opened."""
    if event in ("open", "os.scandir") and _at_opening is not None and isinstance(arguments[0], bytes):
        _at_opening(arguments[0])


sys.addaudithook(_note_opening)


async def test_disks_are_waited_for_on_threads(films: Films, monkeypatch: pytest.MonkeyPatch) -> None:
    films.write("a/b.mp4")
    opened: dict[bytes, int] = {}
    monkeypatch.setattr(
        sys.modules[__name__], "_at_opening", lambda path: opened.update({path: threading.get_ident()})
    )

    await films.scan()

    assert opened.keys() >= {os.fsencode(films.folder / name) for name in ("", "a", "a/b.mp4")}
    assert threading.get_ident() not in opened.values()


async def test_a_root_that_goes_away_during_a_scan_loses_nothing(
    films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await ten(films)
    for number in range(300):
        films.write(f"new/{number:03}.mp4")
    off = films.folder.with_name(f"{films.folder.name}.off")

    def unmount(path: bytes) -> None:
        if path.endswith(b"/250.mp4") and films.folder.exists():
            films.folder.rename(off)
            films.folder.mkdir()

    monkeypatch.setattr(sys.modules[__name__], "_at_opening", unmount)
    scan = await films.scan_to_end()
    monkeypatch.undo()

    assert scan["status"] == "root_unreachable"
    assert await films.missing() == before
    assert await films.ids() == {}
    films.folder.rmdir()
    off.rename(films.folder)
    result = await films.scan()
    assert (result["added"], result["returned"], result["missing"]) == (300, 10, 0)
    assert 0 < result["opened"] < 300
    assert before.items() <= (await films.ids()).items()


async def test_settings_name_absolute_folders(films: Films) -> None:
    with pytest.raises(ValueError, match="no absolute path"):
        Settings(secret="s" * 32, media_roots="films")
    assert films.library.app.component(Settings).ignored_names == ("samples", "*-trailer.*")


async def purge(films: Films, **body: Any) -> dict[str, Any]:
    """POST /v1/videos/purge-missing."""
    answer = await films.library.client.post(
        "/v1/videos/purge-missing", json=body, headers=films.library.editor
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_missing_videos_are_purged_by_age_and_not_by_a_dry_run(films: Films) -> None:
    before = await ten(films)
    for number in range(3):
        (films.folder / f"{number}.mp4").unlink()
    await films.scan()
    await films.library.execute(
        "UPDATE videos SET missing_since = now() - interval '8 days' WHERE id = :id", id=UUID(before["0.mp4"])
    )

    told = await purge(films, dry_run=True, older_than_days=7)
    assert (told["count"], [video["id"] for video in told["videos"]]) == (1, [before["0.mp4"]])
    assert (await purge(films))["dry_run"]
    assert await films.library.count() == 10

    done = await purge(films, dry_run=False, older_than_days=7)
    assert (done["count"], told["operation_id"], done["operation_id"] is None) == (1, None, False)
    assert set(await films.missing()) == {"1.mp4", "2.mp4"}
    assert (await purge(films, dry_run=False, older_than_days=0))["count"] == 2
    assert (await purge(films, dry_run=False, older_than_days=0))["count"] == 0
    assert len(await films.ids()) == await films.library.count() == 7


async def test_a_purge_can_be_undone(films: Films) -> None:
    before = await ten(films)
    (films.folder / "0.mp4").unlink()
    await films.scan()
    done = await purge(films, dry_run=False, older_than_days=0)
    assert await films.library.count() == 9

    path = f"/v1/operations/{done['operation_id']}/undo"
    assert (await films.library.client.post(path, headers=films.library.editor)).status_code == 200

    assert await films.missing() == {"0.mp4": before["0.mp4"]}
    films.write("moved.mp4", "0.mp4")
    assert (await films.scan())["moved"] == 1
    assert (await films.ids())["moved.mp4"] == before["0.mp4"]


async def test_files_that_come_and_go_during_scans_lose_nothing(films: Films) -> None:
    before = await ten(films)

    async def rename_and_back() -> None:
        for number in range(40):
            path = films.folder / f"{number % 10}.mp4"
            path.rename(films.folder / "away.mp4")
            await asyncio.sleep(0)
            (films.folder / "away.mp4").rename(path)

    await asyncio.gather(rename_and_back(), films.scan())

    await films.scan()
    assert await films.ids() == before
