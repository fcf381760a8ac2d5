"""What films of many containers and codecs hold."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.services.videovault.media.files import media_file, probe
from tests.services.videovault.media_files import CODECS, KINDS, Film, make_film, turn
from tests.services.videovault.scans.folders import write
from videovault.media import probing
from videovault.media.calls import MediaFailed, MediaWorkers

CONTAINERS = {
    "matroska": "matroska",
    "vob": "mpeg",
    "3gp": "mp4",
}
"""The names of containers, where those of what writes them are others."""

SIZES = {"h263": (192, 144)}
"""As shown, where pixels are not square: those of H.263 are 12:11."""


@pytest.mark.parametrize("name", KINDS)
async def test_a_film_is_known_in_each_container_and_codec(
    workers: MediaWorkers, kinds: Path, name: str
) -> None:
    film = KINDS[name]

    found = (await probe(workers, kinds / name))["metadata"]

    assert film.video is not None
    codec = CODECS.get(film.video, film.video)
    told = {key: found[key] for key in ("container", "video_codec", "width", "height", "fps", "rotation")}
    width, height = SIZES.get(codec, (64, 48))
    assert told == {
        "container": CONTAINERS.get(film.format, film.format),
        "video_codec": codec,
        "width": width,
        "height": height,
        "fps": film.fps,
        "rotation": 0,
    }
    assert found.get("audio_codec") == (CODECS.get(film.audio, film.audio) if film.audio else None)
    # Encoders of sound fill their last packets.
    assert 2000 <= found["duration_ms"] <= (2100 if film.audio else 2000)
    assert [stream["type"] for stream in found["streams"]] == ["video", "audio"][: 1 + bool(film.audio)]


@pytest.mark.parametrize(("degrees", "size"), [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
async def test_a_film_that_is_turned_has_its_size_as_shown(
    workers: MediaWorkers, kinds: Path, path: Path, degrees: int, size: tuple[int, int]
) -> None:
    write(path, turn((kinds / "h264.mp4").read_bytes(), degrees))

    found = (await probe(workers, path))["metadata"]

    assert (found["rotation"], found["width"], found["height"]) == (degrees, *size)


async def test_pixels_that_are_not_square_are_counted_as_shown(workers: MediaWorkers, path: Path) -> None:
    make_film(path, Film(format="matroska", pixel_aspect=Fraction(2)))

    found = (await probe(workers, path))["metadata"]

    assert (found["width"], found["height"]) == (128, 48)


FULL = Film(
    format="matroska",
    audio="libopus",
    tags={"title": " A \t film\u0007"},
    cover=True,
    subtitles=[(0.2, 1, "Hello <i>you</i> & me"), (1, 1.8, "<b>two</b>\nlines --> end")],
    chapters=[(0, 1, "One"), (1, 2, "Two")],
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with all that a container can hold."""
    return make_film(tmp_path_factory.mktemp("full").resolve() / "full.mkv", FULL)


async def test_streams_chapters_and_the_title_are_told(workers: MediaWorkers, full: Path) -> None:
    found = await probe(workers, full)

    plain = {"default": False, "forced": False}
    sound = {"channels": 2, "sample_rate": 48000}
    assert found["title"] == "A film\u0007"
    assert found["error"] is None
    assert found["metadata"]["streams"] == [
        {"index": 0, "type": "video", "codec": "h264", "codec_string": "avc1.42c00a", **plain},
        {"index": 1, "type": "audio", "codec": "opus", "codec_string": "opus", **sound, **plain},
        {"index": 2, "type": "subtitle", "codec": "subrip", "language": "eng", "text": True, **plain},
        {"index": 3, "type": "video", "codec": "png", "cover": True, **plain},
    ]
    assert found["metadata"]["chapters"] == [
        {"start_ms": 0, "end_ms": 1000, "title": "One"},
        {"start_ms": 1000, "end_ms": 2000, "title": "Two"},
    ]


async def test_embedded_text_is_read_as_webvtt(workers: MediaWorkers, full: Path) -> None:
    answer = await workers.run("read_subtitles", media_file(full), index=2)

    assert answer.content.decode() == (
        "WEBVTT\n\n00:00:00.200 --> 00:00:01.000\nHello <i>you</i> &amp; me\n\n"
        "00:00:01.000 --> 00:00:01.800\n<b>two</b>\nlines --&gt; end\n"
    )


@pytest.mark.parametrize("index", [0, 3, 99, -1])
async def test_a_stream_without_text_is_refused(workers: MediaWorkers, full: Path, index: int) -> None:
    with pytest.raises(MediaFailed) as failed:
        await workers.run("read_subtitles", media_file(full), index=index)
    assert failed.value.code == "unsupported"


class CountingFile(io.FileIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> Any:
        found = super().read(-1 if size is None else size)
        self.count += len(found or b"")
        return found


LARGE = Film(format="mov", video="mjpeg", pixels="yuvj420p", width=320, height=240, seconds=20, noise=True)
MANY_PACKETS = Film(format="mp4", audio="aac", seconds=100, key_every=125)


@pytest.mark.parametrize(("film", "share"), [(LARGE, 0.5), (MANY_PACKETS, 3)])
def test_a_film_whose_duration_is_told_is_not_read_to_measure_it(
    path: Path, film: Film, share: float
) -> None:
    make_film(path, film)
    size = path.stat().st_size

    with CountingFile(path) as file:
        found = probing.probe(file, size, seconds=60)

    assert round(found["duration_ms"], -2) == film.seconds * 1000
    assert file.count < size * share  # a small film is read with what comes before and after
