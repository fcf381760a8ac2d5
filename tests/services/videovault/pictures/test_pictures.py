"""Thumbnails and sprites over HTTP."""

import asyncio
import contextlib
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import httpx
import pytest

from tests.services.videovault.media_files import Film, make_film, turn
from tests.services.videovault.scans.folders import Films
from videovault.media.calls import MediaWorkers

PLAIN = Film(format="mp4")
RED, BLUE = "red", "blue"


class Shown:
    """A JPEG that was sent."""

    def __init__(self, answer: httpx.Response) -> None:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg"), answer.text
        with av.open(io.BytesIO(answer.content), "r") as container:
            frame = next(container.decode(video=0)).reformat(format="rgba")
        self.size = (frame.width, frame.height)
        self._line, self._data = frame.planes[0].line_size, bytes(frame.planes[0])

    def colour(self, x: int, y: int) -> str:
        """Whether a pixel is rather red or blue."""
        at = y * self._line + 4 * x
        red, _, blue = self._data[at : at + 3]
        return RED if red > blue else BLUE


def files_of(cache: Path) -> set[Path]:
    """The files that are kept."""
    return set(cache.iterdir()) if cache.exists() else set()


@contextlib.contextmanager
def unusable(cache: Path) -> Iterator[None]:
    """A file is in the place of the folder."""
    away = cache.with_name("away")
    if cache.exists():
        cache.rename(away)
    cache.write_bytes(b"no folder")
    yield
    cache.unlink()
    if away.exists():
        away.rename(cache)


async def one(films: Films, film: Path | bytes, name: str = "film.mp4") -> str:
    """The path of the only video, with this content."""
    if isinstance(film, bytes):
        films.write(name, film)
    else:
        shutil.copyfile(film, films.folder / name)
    await films.scan()
    (video_id,) = (await films.ids()).values()
    return f"/v1/videos/{video_id}"


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and slug of a refusal."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "h264.ts", "mpeg2.mpg", "raw.h264", "prores.mov"])
async def test_a_film_has_a_thumbnail_and_a_sprite(films: Films, kinds: Path, name: str) -> None:
    path = await one(films, kinds / name, name)

    thumbnail = Shown(await films.library.get(f"{path}/thumbnail"))
    sprite = Shown(await films.library.get(f"{path}/sprite"))

    assert thumbnail.size == (64, 48)
    assert (thumbnail.colour(32, 4), thumbnail.colour(32, 44)) == (RED, BLUE)
    assert sprite.size[1] == 48
    assert (sprite.colour(32, 4), sprite.colour(32, 44)) == (RED, BLUE)


@pytest.mark.parametrize(("degrees", "corner"), [(90, (BLUE, RED)), (180, (BLUE, BLUE)), (270, (RED, BLUE))])
async def test_a_film_that_is_turned_is_shown_upright(
    films: Films, kinds: Path, degrees: int, corner: tuple[str, str]
) -> None:
    path = await one(films, turn((kinds / "h264.mp4").read_bytes(), degrees))

    shown = Shown(await films.library.get(f"{path}/thumbnail"))

    width = shown.size[0]
    assert shown.size == ((48, 64) if degrees % 180 else (64, 48))
    assert (shown.colour(2, 2), shown.colour(width - 2, 2)) == corner


async def test_pixels_are_square_and_pictures_bounded(films: Films, folder: Path) -> None:
    wide = make_film(folder / "new.part", replace(PLAIN, width=640, height=480, pixel_aspect=Fraction(2)))
    path = await one(films, wide)

    assert Shown(await films.library.get(f"{path}/thumbnail")).size == (480, 180)


async def test_an_editor_chooses_the_second(films: Films, folder: Path) -> None:
    path = await one(films, make_film(folder / "new.part", replace(PLAIN, turned_from=1)))
    library = films.library
    first = await library.get(f"{path}/thumbnail")

    refused = await library.client.put(f"{path}/thumbnail", json={"at_seconds": 1.5}, headers=library.reader)
    chosen = await library.client.put(f"{path}/thumbnail", json={"at_seconds": 1.5}, headers=library.editor)
    second = await library.get(f"{path}/thumbnail")

    assert (refused.status_code, chosen.status_code) == (403, 200)
    assert chosen.json()["metadata"]["thumbnail_at"] == 1.5
    assert (Shown(first).colour(32, 4), Shown(second).colour(32, 4)) == (RED, BLUE)
    assert first.headers["etag"] != second.headers["etag"]
    changes = (await library.get(f"{path}/changes")).json()["items"]
    assert changes[0]["field"] == "metadata/thumbnail_at"
    late = {"json": {"at_seconds": 1000}, "headers": library.editor}
    assert (await library.client.put(f"{path}/thumbnail", **cast("Any", late))).status_code == 200
    assert Shown(await library.get(f"{path}/thumbnail")).colour(32, 4) == BLUE
    await library.client.put(f"{path}/thumbnail", json={"at_seconds": None}, headers=library.editor)
    assert (await library.get(f"{path}/thumbnail")).headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("body", [{}, {"at_seconds": -1}, {"at_seconds": "1"}, {"at_seconds": 1e300}])
async def test_what_is_no_second_is_refused(films: Films, kinds: Path, body: dict[str, Any]) -> None:
    path = await one(films, kinds / "h264.mp4")
    answer = await films.library.client.put(f"{path}/thumbnail", json=body, headers=films.library.editor)
    assert answer.status_code == 422


@pytest.mark.parametrize("junk", ['"x"', "-1", "1e12", "true", "{}"])
async def test_metadata_that_is_no_second_chooses_none(films: Films, kinds: Path, junk: str) -> None:
    path = await one(films, kinds / "h264.mp4")
    first = await films.library.get(f"{path}/thumbnail")
    await films.library.execute(
        f"UPDATE videos SET metadata = metadata || '{{\"thumbnail_at\": {junk}}}'".replace(":", "\\:")  # noqa: S608
    )
    assert (await films.library.get(f"{path}/thumbnail")).headers["etag"] == first.headers["etag"]


async def test_pictures_are_made_anew_when_the_content_changes(films: Films, kinds: Path) -> None:
    path = await one(films, kinds / "h264.mp4")
    old = (await films.library.get(f"{path}/thumbnail")).headers["etag"]
    headers = {**films.library.reader, "If-None-Match": old}
    current = await films.library.client.get(f"{path}/thumbnail", headers=headers)
    assert (current.status_code, current.content, current.headers["etag"]) == (304, b"", old)

    assert await one(films, kinds / "av1.mp4") == path
    anew = await films.library.client.get(f"{path}/thumbnail", headers=headers)

    assert (anew.status_code, anew.headers["etag"] != old) == (200, True)


async def test_a_sprite_says_which_picture_is_where(films: Films, folder: Path) -> None:
    film = replace(PLAIN, seconds=12, fps=2, key_every=2, turned_from=6)
    path = await one(films, make_film(folder / "new.part", film))

    sprite = Shown(await films.library.get(f"{path}/sprite"))
    answer = await films.library.get(f"{path}/sprite.vtt")

    assert answer.headers["content-type"].startswith("text/vtt")
    head, *cues = answer.text.strip().split("\n\n")
    assert (head, len(cues)) == ("WEBVTT", 12)
    assert cues[0] == "00:00:00.000 --> 00:00:01.000\nsprite#xywh=0,0,64,48"
    assert cues[11] == "00:00:11.000 --> 00:00:12.000\nsprite#xywh=64,48,64,48"
    assert sprite.size == (640, 96)
    colours = []
    for cue in cues:
        found = re.search(r"xywh=(\d+),(\d+),(\d+),(\d+)$", cue)
        assert found is not None
        x, y, width, height = map(int, found.groups())
        assert x + width <= sprite.size[0]
        assert y + height <= sprite.size[1]
        colours.append(sprite.colour(x + 32, y + 4))
    assert colours == [RED] * 6 + [BLUE] * 6


async def test_a_playback_url_shows_the_pictures(films: Films, kinds: Path) -> None:
    path = await one(films, kinds / "h264.mp4")
    client = films.library.client
    played = await client.post(f"{path}/playback", headers=films.library.reader)
    query = played.json()["url"].partition("?")[2]
    assert query

    assert (await client.get(f"{path}/thumbnail")).status_code == 401
    assert (await client.get(f"{path}/thumbnail?{query}")).status_code == 200
    cues = (await client.get(f"{path}/sprite.vtt?{query}")).text
    url = cues.split("\n")[3].partition("#")[0]
    assert (await client.get(f"{path}/{url}")).status_code == 200


async def test_many_who_ask_at_once_get_one_picture(films: Films, folder: Path, cache: Path) -> None:
    path = await one(films, make_film(folder / "new.part", replace(PLAIN, seconds=3, width=66)))
    before = files_of(cache)

    answers = await asyncio.gather(*(films.library.get(f"{path}/thumbnail") for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(files_of(cache) - before) == 1


async def missing(films: Films) -> None:
    """The file is gone."""
    (films.folder / "film.mp4").unlink()
    await films.scan()


async def changed(films: Films) -> None:
    """The file is another one than was scanned."""
    films.write("film.mp4", b"something else")


async def no_root(films: Films) -> None:
    """No root covers the file any more."""
    await films.library.execute("DELETE FROM roots")


async def not_scanned(films: Films) -> None:
    """The record was made by hand."""
    await films.library.execute("UPDATE videos SET identity = NULL")


async def linked(films: Films) -> None:
    """A link is in the place of the file."""
    (films.folder / "film.mp4").rename(films.folder / "other.mp4")
    (films.folder / "film.mp4").symlink_to("other.mp4")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (missing, (404, "file-not-found")),
        (changed, (409, "no-picture")),
        (no_root, (404, "file-not-found")),
        (not_scanned, (409, "no-picture")),
        (linked, (404, "file-not-found")),
    ],
)
async def test_a_video_without_its_file_has_no_picture(
    films: Films, kinds: Path, broken: Any, told: tuple[int, str]
) -> None:
    content = (kinds / "vp8.webm").read_bytes() + broken.__name__.encode()  # of which no picture is kept
    path = await one(films, content)
    await broken(films)

    for picture in ("thumbnail", "sprite", "sprite.vtt"):
        assert problem(await films.library.get(f"{path}/{picture}")) == told


async def test_a_missing_film_has_the_pictures_that_were_made_before(films: Films, kinds: Path) -> None:
    path = await one(films, kinds / "mpeg4.avi")
    before = await films.library.get(f"{path}/thumbnail")
    await missing(films)

    after = await films.library.get(f"{path}/thumbnail")

    assert (after.status_code, after.content) == (200, before.content)
    assert problem(await films.library.get(f"{path}/sprite")) == (404, "file-not-found")


async def test_a_film_that_is_broken_is_not_tried(films: Films, kinds: Path) -> None:
    data = (kinds / "h264.mp4").read_bytes()
    path = await one(films, data[: len(data) * 6 // 10])
    calls = films.library.app.component(MediaWorkers).pids

    answer = await films.library.get(f"{path}/thumbnail")

    assert problem(answer) == (409, "no-picture")
    assert "a part of it is not there" in answer.json()["detail"]
    assert films.library.app.component(MediaWorkers).pids == calls


async def test_that_there_is_no_picture_is_kept(films: Films, kinds: Path, cache: Path) -> None:
    path = await one(films, b"no film at all")
    await films.library.execute("UPDATE videos SET probe_error = NULL")
    assert problem(await films.library.get(f"{path}/thumbnail")) == (409, "no-picture")
    (newest,) = [file for file in files_of(cache) if b"no video format" in file.read_bytes()]

    newest.write_bytes(newest.read_bytes().replace(b"no video format", b"no other answer"))

    assert "no other answer" in (await films.library.get(f"{path}/thumbnail")).json()["detail"]


async def test_a_video_that_does_not_exist_has_no_picture(films: Films) -> None:
    path = "/v1/videos/01900000-0000-7000-8000-000000000000"
    assert problem(await films.library.get(f"{path}/thumbnail")) == (404, "video-not-found")
    answer = await films.library.client.put(
        f"{path}/thumbnail", json={"at_seconds": 1}, headers=films.library.editor
    )
    assert problem(answer) == (404, "video-not-found")


async def test_a_cache_that_cannot_be_written_is_told(films: Films, kinds: Path, cache: Path) -> None:
    path = await one(films, (kinds / "vp8.webm").read_bytes() + b"not kept")
    with unusable(cache):
        answer = await films.library.get(f"{path}/thumbnail")

    assert problem(answer) == (507, "picture-cache-unusable")
    assert "VIDEOVAULT_CACHE_FOLDER" in answer.json()["detail"]
    assert (await films.library.get(f"{path}/thumbnail")).status_code == 200
