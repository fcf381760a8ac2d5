"""Scans read what films hold: once for each content, and what is broken is remembered."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from dbcommon.engine import Database
from tests.services.videovault.media_files import Film, make_film
from tests.services.videovault.scans.folders import Films, counts
from videovault.files.comparing import KnownFile
from videovault.files.identity import facts_of
from videovault.media.calls import Answer, MediaFile, MediaWorkers
from videovault.media.repository import NotProbed, list_failures
from videovault.scans import run as scan_run
from videovault.scans.probing import probe_films, round_duration
from videovault.scans.schemas import NewScan
from videovault.scans.service import begin_scan, read_scan
from videovault.scans.worker import claim_scan, run_claimed
from videovault.settings import Settings

PLAIN = Film(format="mp4")


@pytest.fixture(scope="module")
def scan_settings() -> dict[str, Any]:
    """Two workers that look into films."""
    return {"media_workers": 2}


def errors(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and codes of a scan's errors."""
    return [(error["path"].rpartition("/")[2], error["code"]) for error in result["errors"]]


async def patch(films: Films, video_id: str, **changed: Any) -> None:
    """PATCH a video as the editor."""
    answer = await films.library.client.patch(
        f"/v1/videos/{video_id}", json=changed, headers=films.library.editor
    )
    assert answer.status_code == 200, answer.text


async def test_a_scan_reads_what_films_hold_and_the_next_one_opens_none(films: Films, kinds: Path) -> None:
    for name in ("h264.mp4", "vp9.webm", "mpeg4.avi"):
        films.write(name, (kinds / name).read_bytes())

    scan = await films.scan_to_end()

    assert counts(scan["result"]) == {"added": 3, "hashed": 3, "opened": 3, "probed": 3}
    video = (await films.videos())["vp9.webm"]
    assert video["duration_seconds"] == 2
    assert {key: video["metadata"][key] for key in ("container", "video_codec", "audio_codec", "width")} == {
        "container": "webm",
        "video_codec": "vp9",
        "audio_codec": "opus",
        "width": 64,
    }
    changes = (await films.library.get(f"/v1/videos/{video['id']}/changes")).json()["items"]
    assert {change["actor"] for change in changes} == {f"scan:{scan['id']}"}
    assert {"metadata/width", "metadata/streams", "duration_seconds"} <= {
        change["field"] for change in changes
    }
    again = await films.scan()
    assert counts(again) == {"unchanged": 3}
    assert (await films.videos())["vp9.webm"] == video


async def test_films_that_were_never_probed_are(films: Films, kinds: Path) -> None:
    films.write("a.mp4", (kinds / "h264.mp4").read_bytes())
    await films.scan()
    before = await films.videos()
    await films.library.execute(
        "UPDATE videos SET probed = NULL, metadata = '{\"mine\": 1}', duration_seconds = NULL"
    )

    assert counts(await films.scan()) == {"unchanged": 1, "probed": 1}

    video = (await films.videos())["a.mp4"]
    assert video["metadata"] == {**before["a.mp4"]["metadata"], "mine": 1}
    assert video["duration_seconds"] == 2


async def test_a_moved_film_is_not_probed_again(films: Films, kinds: Path) -> None:
    films.write("a.mp4", (kinds / "h264.mp4").read_bytes())
    await films.scan()
    films.rename(("a.mp4", "b.mp4"))

    assert counts(await films.scan()) == {"moved": 1, "hashed": 1, "opened": 1}


async def test_a_half_copied_film_is_told_until_it_is_whole(films: Films, folder: Path) -> None:
    whole = make_film(folder / "whole.part", replace(PLAIN, seconds=60, fps=1)).read_bytes()
    films.write("film.mp4", whole[: len(whole) * 6 // 10])

    first = await films.scan()
    second = await films.scan()

    assert errors(first) == errors(second) == [("film.mp4", "incomplete")]
    assert (first["probed"], second["probed"], second["error_count"]) == (1, 0, 1)
    ids = await films.ids()
    assert (await films.videos())["film.mp4"]["duration_seconds"] is None
    films.write("film.mp4", whole)
    third = await films.scan()
    assert (errors(third), third["changed"], third["probed"]) == ([], 1, 1)
    assert (await films.videos())["film.mp4"]["duration_seconds"] == 60
    assert await films.ids() == ids


async def test_what_is_broken_is_tried_again_by_a_full_scan(films: Films) -> None:
    films.write("no film.mp4", b"x" * 600)
    films.write("empty.mp4", b"")

    first, second = await films.scan(), await films.scan(full=True)

    assert errors(first) == errors(second) == [("empty.mp4", "empty"), ("no film.mp4", "unsupported")]
    assert (first["probed"], second["probed"]) == (1, 1)


async def test_more_broken_films_than_are_listed_are_counted(films: Films) -> None:
    films.write("a.mp4", b"x")
    films.write("b.mp4", b"y")
    await films.scan()
    await films.library.execute(
        "INSERT INTO videos (file_path, file_name, file_size, mime_type, identity, probed, probe_error)"
        " SELECT :folder || '/c' || n, 'c', 1, 'video/mp4', '\\x00', '\\x00', '{\"code\": \"incomplete\", \"detail\": \"x\"}'"
        " FROM generate_series(1, 1005) n",
        folder=str(films.folder),
    )
    database = films.library.app.component(Database)
    listed, count = await list_failures(database, f"{films.folder}/", f"{films.folder}0", most=1000)

    assert (len(listed), count) == (1000, 1007)


async def test_another_content_is_probed_and_what_people_wrote_stays(films: Films, kinds: Path) -> None:
    films.write("a.mp4", (kinds / "h264.mp4").read_bytes())
    await films.scan()
    ((_, video_id),) = (await films.ids()).items()
    await patch(films, video_id, metadata={"mine": {"deep": 1}})
    films.write("a.mp4", (kinds / "vp8.webm").read_bytes())

    result = await films.scan()

    assert (result["changed"], result["probed"]) == (1, 1)
    metadata = (await films.videos())["a.mp4"]["metadata"]
    assert (metadata["video_codec"], "audio_codec" in metadata, metadata["mine"]) == (
        "vp8",
        False,
        {"deep": 1},
    )


async def test_the_containers_title_is_taken_once_and_never_over_a_persons(
    films: Films, folder: Path
) -> None:
    for name in ("a", "b", "c"):
        make_film(folder / f"{name}.mp4", replace(PLAIN, tags={"title": f"First {name}"}))
    await films.scan()
    assert {video["title"] for video in (await films.videos()).values()} == {"First a", "First b", "First c"}
    ids = await films.ids()
    await patch(films, ids["b.mp4"], title="Mine")
    await patch(films, ids["c.mp4"], title=None)
    for name in ("a", "b", "c"):
        make_film(folder / f"{name}.mp4", replace(PLAIN, tags={"title": f"Second {name}"}, seconds=1))

    assert (await films.scan())["probed"] == 3

    videos = await films.videos()
    assert [videos[f"{name}.mp4"]["title"] for name in ("a", "b", "c")] == ["First a", "Mine", None]
    assert (await films.library.get("/v1/videos", q="first")).json()["total"] == 1


async def test_a_record_by_hand_gets_what_its_file_holds(films: Films, folder: Path) -> None:
    make_film(folder / "a.mp4", replace(PLAIN, tags={"title": "Of the file"}))
    video = await films.library.add(file_path=f"{folder}/a.mp4", title="Mine")

    await films.scan()

    found = (await films.videos())["a.mp4"]
    assert (found["id"], found["title"], found["duration_seconds"]) == (video["id"], "Mine", 2)


async def test_sound_with_a_cover_is_no_video(films: Films, folder: Path) -> None:
    make_film(folder / "song.mp3", Film(format="mp3", video=None, audio="libmp3lame", cover=True))
    assert counts(await films.scan()) == {}
    assert await films.ids() == {}


@pytest.mark.parametrize(
    ("milliseconds", "seconds"), [(1, 1), (999, 1), (1499, 1), (1500, 2), (2499, 2), (2500, 3)]
)
def test_durations_are_rounded_half_up(milliseconds: int, seconds: int) -> None:
    assert round_duration(milliseconds) == seconds


def not_probed(path: Path, *, size: int | None = None) -> NotProbed:
    """A video of the file as it is, or as it was."""
    facts = facts_of(path.stat())
    file = KnownFile(
        id=uuid4(),
        path=str(path),
        size=facts.size if size is None else size,
        mtime=facts.mtime,
        inode=facts.inode,
        identity=b"identity",
        is_missing=False,
    )
    return NotProbed(file=file, true_path=None)


async def test_of_a_film_that_changes_nothing_is_kept(films: Films, kinds: Path) -> None:
    workers = films.library.app.component(MediaWorkers)
    seen = [not_probed(kinds / "vp8.webm"), not_probed(kinds / "h264.mp4", size=1)]
    gone = replace(seen[0], file=replace(seen[0].file, path=f"{kinds}/gone.mp4"))
    root = os.fsencode(kinds)

    kept, troubles = await probe_films(workers, [*seen, gone], root=root, allowed=[root])

    assert [each.id for each in kept] == [seen[0].file.id]
    assert [(trouble.text, trouble.code) for trouble in troubles] == [(f"{kinds}/h264.mp4", "incomplete")]


class StoppingWorkers(MediaWorkers):
    """Workers that note their calls, and stop the scan at one of them."""

    def __init__(self, stop_at: int = 0) -> None:
        super().__init__(most=1, seconds=60, memory_mb=1024)
        self.stop_at = stop_at
        self.paths: list[bytes] = []
        self.task: asyncio.Task[None] | None = None

    async def run(self, call: Any, file: MediaFile, **arguments: Any) -> Answer:
        self.paths.append(file.path)
        if len(self.paths) == self.stop_at:
            assert self.task is not None
            self.task.cancel()
            await asyncio.Event().wait()
        return await super().run(call, file, **arguments)


async def test_a_scan_that_is_stopped_while_it_probes_is_gone_on_with(
    films: Films, kinds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_run, "PROBE_AT_ONCE", 2)
    for number in range(6):
        films.write(f"{number}.webm", (kinds / "vp8.webm").read_bytes() + bytes([number]))
    database, settings = films.library.app.component(Database), films.library.app.component(Settings)
    scan, _ = await begin_scan(database, NewScan(root_id=UUID(films.root_id)))
    first, second = StoppingWorkers(stop_at=4), StoppingWorkers()

    for workers in (first, second):
        async with workers.running():
            claimed = await claim_scan(database, settings, scan_id=scan.id, media_workers=workers)
            assert claimed is not None
            workers.task = asyncio.create_task(run_claimed(database, claimed))
            await asyncio.wait({workers.task})

    ended = await read_scan(database, scan.id)
    assert (ended.status, ended.result.added, ended.result.probed) == ("done", 6, 6)
    # Two were stored before the end; the one that was under way, and what was read but not stored, is read again.
    names = [sorted(os.path.basename(path) for path in workers.paths) for workers in (first, second)]
    assert names == [
        [b"0.webm", b"1.webm", b"2.webm", b"3.webm"],
        [b"2.webm", b"3.webm", b"4.webm", b"5.webm"],
    ]
