"""Files that are broken, are no films, or mean harm."""

import os
import socket
import struct
from fractions import Fraction
from pathlib import Path

import pytest

from tests.services.videovault.media.files import media_file, probe
from tests.services.videovault.media_files import Film, encode_picture, make_film
from tests.services.videovault.scans.folders import write
from videovault.media.calls import MediaFailed, MediaFile, MediaWorkers


async def failure(workers: MediaWorkers, path: Path) -> tuple[str, str]:
    """Why the file is not taken."""
    with pytest.raises(MediaFailed) as failed:
        await workers.run("probe", media_file(path))
    return failed.value.code, failed.value.detail


def cut(path: Path, *, of: Path, part: float) -> None:
    """The first part of a file."""
    data = of.read_bytes()
    write(path, data[: int(len(data) * part)])


async def test_the_first_part_of_a_file_with_its_index_at_the_end_is_incomplete(
    workers: MediaWorkers, kinds: Path, path: Path
) -> None:
    cut(path, of=kinds / "h264.mp4", part=0.6)
    assert (await failure(workers, path))[0] == "incomplete"


@pytest.mark.parametrize(("name", "part"), [("mpeg4.avi", 0.6), ("vp9.webm", 0.6), ("mjpeg.avi", 0.8)])
async def test_a_file_whose_end_is_not_there_has_the_duration_of_what_is_there(
    workers: MediaWorkers, kinds: Path, path: Path, name: str, part: float
) -> None:
    cut(path, of=kinds / name, part=part)

    found = await probe(workers, path)

    assert found["error"] == {"code": "incomplete", "detail": "its end is not there"}
    assert 500 <= found["duration_ms"] < 1900


@pytest.mark.parametrize(
    "content",
    [
        b"x" * 600,
        b"<!doctype html><title>Not found</title>",
        b"#EXTM3U\n#EXTINF:1,\nh264.mp4\n",
        b"ffconcat version 1.0\nfile h264.mp4\n",
        encode_picture(64, 48),
        b"ID3\x03\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" + bytes(413),
        bytes(4096),
    ],
)
async def test_what_is_no_film_is_unsupported(workers: MediaWorkers, path: Path, content: bytes) -> None:
    write(path, content)
    assert await failure(workers, path) == ("unsupported", "no video format that is known")


async def test_a_film_under_the_name_of_another_format_is_what_it_is(
    workers: MediaWorkers, kinds: Path, path: Path
) -> None:
    write(path, (kinds / "vp9.webm").read_bytes())
    assert (await probe(workers, path))["metadata"]["container"] == "webm"


async def test_sound_with_a_cover_is_no_film(workers: MediaWorkers, path: Path) -> None:
    make_film(path, Film(format="mp4", video=None, audio="aac", cover=True))
    assert await failure(workers, path) == ("unsupported", "it has no moving picture")


async def test_a_cover_before_the_film_is_not_taken_for_it(workers: MediaWorkers, path: Path) -> None:
    make_film(path, Film(format="mp4", cover=True))

    found = (await probe(workers, path))["metadata"]

    assert (found["video_codec"], found["width"], found["height"]) == ("h264", 64, 48)
    assert [stream.get("cover") for stream in found["streams"]].count(True) == 1


@pytest.mark.parametrize("kind", ["playlist", "list", "description", "reference"])
async def test_nothing_that_a_file_names_is_fetched(
    workers: MediaWorkers, kinds: Path, path: Path, kind: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/film.ts"
        port = server.getsockname()[1]
        playlist = {
            "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
            "list": f"ffconcat version 1.0\nfile {url}\n",
            "description": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
            "reference": f'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
        }[kind]
        write(path, playlist.encode())

        assert (await failure(workers, path))[0] == "unsupported"

        with pytest.raises(BlockingIOError):
            server.accept()


async def test_a_picture_of_a_huge_size_is_not_decoded(
    workers: MediaWorkers, kinds: Path, path: Path
) -> None:
    data = (kinds / "prores.mov").read_bytes()
    # The sizes of the track and of the sample, and that of the frames themselves.
    small, huge = struct.pack(">HH", 64, 48), struct.pack(">HH", 16000, 16000)
    assert data.count(small) > 10
    write(path, data.replace(small, huge))

    assert await failure(workers, path) == ("unsupported", "its picture has more than 67,108,864 pixels")


@pytest.mark.parametrize("format_", ["mp4", "matroska"])
async def test_a_header_of_three_hours_without_a_film_is_incomplete(
    workers: MediaWorkers, path: Path, format_: str
) -> None:
    long = Film(format=format_, seconds=10_800, fps=Fraction(1, 5400), options={"movflags": "faststart"})
    data = make_film(path, long).read_bytes()
    assert (await probe(workers, path))["duration_ms"] == 10_800_000
    write(path, data[: data.index(b"mdat" if format_ == "mp4" else b"\x1f\x43\xb6\x75") + 4])

    assert (await failure(workers, path))[0] == "incomplete"


async def test_a_duration_that_is_a_lie_is_measured(workers: MediaWorkers, kinds: Path, path: Path) -> None:
    data = (kinds / "vp8.webm").read_bytes()
    true = b"\x44\x89\x88" + struct.pack(">d", 2000.0)
    assert data.count(true) == 1
    write(path, data.replace(true, b"\x44\x89\x88" + struct.pack(">d", 3 * 3_600_000.0)))

    found = await probe(workers, path)

    assert (found["duration_ms"], found["error"]) == (2000, None)


async def test_a_stream_without_a_duration_is_measured(workers: MediaWorkers, path: Path) -> None:
    live = make_film(path, Film(format="webm", video="libvpx", options={"live": "1"}))
    assert b"\x44\x89\x88" not in live.read_bytes()
    assert (await probe(workers, path))["duration_ms"] == 2000


async def test_tags_that_are_not_utf_8_are_read_as_well_as_can_be(workers: MediaWorkers, path: Path) -> None:
    named = make_film(path, Film(format="matroska", tags={"title": "Amelie in Paris"}))
    write(path, named.read_bytes().replace(b"Amelie", b"Am\xe9lie"))
    assert (await probe(workers, path))["title"] == "Am\N{REPLACEMENT CHARACTER}lie in Paris"


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "sibling", "parent", "elsewhere"])
async def test_only_files_below_the_root_are_opened(
    workers: MediaWorkers, kinds: Path, path: Path, kind: str
) -> None:
    root = path.parent / "root"
    root.mkdir()
    film = root / "film.mp4"
    if kind == "link":
        film.symlink_to(kinds / "h264.mp4")
    elif kind == "folder":
        (root / "below").symlink_to(kinds)
        film = root / "below/h264.mp4"
    elif kind == "pipe":
        os.mkfifo(film)
    elif kind == "sibling":
        film = path.parent / "root2.mp4"
        film.write_bytes(b"")
    elif kind == "parent":
        film = root / "../film.mp4"
        write(path, b"")
    asked = MediaFile(
        path=os.fsencode(film),
        root=os.fsencode(root),
        allowed=[os.fsencode(kinds if kind == "elsewhere" else path.parent)],
    )

    with pytest.raises(MediaFailed) as failed:
        await workers.run("probe", asked)

    assert (failed.value.code, failed.value.facts) == ("gone", None)
