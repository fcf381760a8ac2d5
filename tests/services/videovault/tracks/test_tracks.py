"""Tracks over HTTP."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.videovault.media_files import Film, make_film
from tests.services.videovault.scans.folders import Films
from tests.services.videovault.streams.conftest import AddFile
from videovault.settings import Settings

SRT = "1\n00:00:01,000 --> 00:00:02,500\n{}\n\n2\n00:01:03,000 --> 01:00:04,000\nEnd.\n"


def vtt(text: str) -> str:
    """What becomes of `SRT` with this text."""
    return f"WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n{text}\n\n00:01:03.000 --> 01:00:04.000\nEnd.\n"


async def get(films: Films, path: str, **headers: str) -> httpx.Response:
    return await films.library.client.get(path, headers={**films.library.reader, **headers})


async def list_tracks(films: Films, stream: str) -> list[dict[str, Any]]:
    answer = await get(films, stream.replace("/stream", "/tracks"))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_files_beside_the_video_are_listed_and_read_as_webvtt(films: Films, add_file: AddFile) -> None:
    name = "100% #1, ä&ö?"
    stream = await add_file(f"{name}.mp4", b"film")
    films.write(f"{name}.en.sdh.srt", "\ufeff" + SRT.format("<i>Hello</i> & <b>you</b> <script>"))
    films.write(
        f"{name}.de.forced.vtt",
        "WEBVTT\n\n00:01.000 --> 00:02.500 align:start\nGrüße\n\n1:03.000 --> 1:00:04.000\nEnd.",
    )
    films.write(f"{name}.ru.srt", SRT.format("Привет, как дела?").encode("cp1251"))
    films.write(f"{name}.AAC-RARBG.srt", SRT.format("plain").encode("utf-16"))
    films.write(f"{name}.fr.sup", b"PG")
    films.write("other.en.srt", SRT)

    tracks = await list_tracks(films, stream)

    told = ("format", "language", "label", "forced", "hearing_impaired", "default", "text", "source")
    assert [tuple(track[name] for name in told) for track in tracks] == [
        ("srt", None, "AAC-RARBG", False, False, False, True, "file"),
        ("vtt", "de", None, True, False, False, True, "file"),
        ("srt", "en", None, False, True, False, True, "file"),
        ("sup", "fr", None, False, False, False, False, "file"),
        ("srt", "ru", None, False, False, False, True, "file"),
    ]
    assert [track["n"] for track in tracks] == [0, 1, 2, 3, 4]
    assert tracks[3]["url"] is None
    texts = []
    for track in tracks:
        if track["url"] is not None:
            answer = await get(films, track["url"])
            assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
            assert answer.headers["cache-control"].startswith("private")
            texts.append(answer.text)
            assert (await get(films, track["url"].partition("?")[0])).text == answer.text
            known = await get(films, track["url"], **{"If-None-Match": answer.headers["etag"]})
            assert known.status_code == 304
    assert texts == [
        vtt("plain"),
        vtt("Grüße"),
        vtt("<i>Hello</i> &amp; <b>you</b>"),
        vtt("Привет, как дела?"),
    ]


async def test_pictures_and_numbers_behind_the_last_are_no_track(films: Films, add_file: AddFile) -> None:
    stream = await add_file("a.mp4", b"film")
    films.write("a.fr.sup", b"PG")
    for place, slug in (
        ("0.vtt", "track-not-found"),
        ("1.vtt", "track-not-found"),
        ("0.vtt?track=x", "track-not-found"),
    ):
        answer = await get(films, stream.replace("/stream", f"/tracks/{place}"))
        assert (answer.status_code, answer.json()["type"]) == (404, f"/problems/{slug}")


async def test_a_url_stays_with_its_track_when_others_come(films: Films, add_file: AddFile) -> None:
    stream = await add_file("a.mp4", b"film")
    films.write("a.en.srt", SRT.format("English"))
    (track,) = await list_tracks(films, stream)
    films.write("a.de.srt", SRT.format("Deutsch"))

    assert (await get(films, track["url"])).text == vtt("English")
    assert (await get(films, stream.replace("/stream", "/tracks/0.vtt"))).text == vtt("Deutsch")


async def test_a_link_is_no_track(films: Films, add_file: AddFile) -> None:
    stream = await add_file("sub/a.mp4", b"film")
    outside = films.folder.parent / f"{films.folder.name}-2"
    outside.mkdir()
    (outside / "secret.srt").write_text(SRT.format("secret"))
    (films.folder / "sub" / "a.en.srt").symlink_to(outside / "secret.srt")

    assert await list_tracks(films, stream) == []


async def test_a_folder_behind_a_link_is_not_listed(films: Films, add_file: AddFile) -> None:
    stream = await add_file("sub/a.mp4", b"film")
    films.write("sub/a.en.srt", SRT)
    (films.folder / "sub").rename(films.folder.parent / f"{films.folder.name}-sub")
    (films.folder / "sub").symlink_to(films.folder.parent / f"{films.folder.name}-sub")

    assert await list_tracks(films, stream) == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.en.srt", b"", "WEBVTT\n"),
        ("a.en.vtt", b"\xff\x00garbage" * 100, "WEBVTT\n"),
        ("a.en.ass", b"[", "WEBVTT\n"),
    ],
)
async def test_a_file_without_cues_is_an_empty_track(
    films: Films, add_file: AddFile, name: str, content: bytes, told: str
) -> None:
    stream = await add_file("a.mp4", b"film")
    films.write(name, content)
    (track,) = await list_tracks(films, stream)

    assert (await get(films, track["url"])).text == told


async def test_a_file_that_is_too_long_is_not_read(films: Films, add_file: AddFile) -> None:
    stream = await add_file("a.mp4", b"film")
    films.write("a.en.srt", b"x")
    with (films.folder / "a.en.srt").open("r+b") as file:
        file.truncate(2**34)
    (track,) = await list_tracks(films, stream)

    answer = await get(films, track["url"])

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/track-not-found")
    assert "16,777,216 bytes" in answer.json()["detail"]


async def test_a_line_of_ass_is_text_without_its_drawings(films: Films, add_file: AddFile) -> None:
    stream = await add_file("a.mkv", b"film")
    films.write(
        "a.ja.ass",
        "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\i1}Hi{\\i0}\\Nthere, you{\\p1}m 0 0 l 1 1{\\p0}!\n"
        "Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,not shown\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,--> <b>\n",
    )
    (track,) = await list_tracks(films, stream)

    assert (await get(films, track["url"])).text == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n--&gt; &lt;b&gt;\n\n"
        "00:00:03.000 --> 00:00:04.000\n<i>Hi</i>\nthere, you!\n"
    )


async def test_embedded_text_is_read_from_the_film(films: Films, tmp_path: Path) -> None:
    film = Film(format="matroska", subtitles=[(0.5, 1.5, "Grüße & <3")], language="ger", seconds=2)
    films.write("a.mkv", make_film(tmp_path / "a.mkv", film).read_bytes())
    films.write("a.en.srt", SRT.format("beside"))
    streams = [
        {"index": 0, "type": "video", "codec": "h264"},
        {"index": 1, "type": "subtitle", "codec": "subrip", "language": "ger", "title": "Full", "text": True},
        {"index": 2, "type": "subtitle", "codec": "hdmv_pgs_subtitle", "forced": True, "text": False},
        {"index": "x", "type": "subtitle"},
        "anything",
    ]
    video = await films.library.add(file_path=f"{films.folder}/a.mkv", metadata={"streams": streams})

    tracks = await list_tracks(films, f"/v1/videos/{video['id']}/stream")

    assert [(track["source"], track["format"], track["language"], track["label"]) for track in tracks] == [
        ("file", "srt", "en", None),
        ("embedded", "subrip", "de", "Full"),
        ("embedded", "hdmv_pgs_subtitle", None, None),
    ]
    assert [(track["text"], track["forced"]) for track in tracks] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    answer = await get(films, tracks[1]["url"])
    assert answer.text == "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nGrüße &amp; &lt;3\n"


async def test_embedded_text_is_kept_until_the_film_changes(films: Films, tmp_path: Path) -> None:
    def write(text: str) -> None:
        film = Film(format="matroska", subtitles=[(0.5, 1.5, text)], seconds=2)
        films.write("a.mkv", make_film(tmp_path / "a.mkv", film).read_bytes())

    write("one")
    await films.scan()
    (video_id,) = (await films.ids()).values()
    track = f"/v1/videos/{video_id}/tracks/0.vtt"
    first = await get(films, track)
    assert "one" in first.text
    kept = [
        path
        for path in films.library.app.component(Settings).picture_cache.iterdir()
        if path.read_bytes() == first.content
    ]
    assert len(kept) == 1
    assert (await get(films, track)).text == first.text
    write("two")

    assert "two" not in (await get(films, track)).text, "the scan tells of another content"
    await films.scan()
    assert "two" in (await get(films, track)).text


async def test_a_stream_that_is_no_text_is_told(films: Films, tmp_path: Path) -> None:
    films.write("a.mkv", make_film(tmp_path / "a.mkv", Film(format="matroska", seconds=0.5)).read_bytes())
    wrong = [{"index": 0, "type": "subtitle", "text": True}]
    video = await films.library.add(file_path=f"{films.folder}/a.mkv", metadata={"streams": wrong})

    answer = await get(films, f"/v1/videos/{video['id']}/tracks/0.vtt")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/track-not-found")


async def test_a_video_without_a_file_has_no_tracks(films: Films) -> None:
    elsewhere = await films.library.add(file_path="local:1/a.mp4")
    gone = await films.library.add(file_path=f"{films.folder}/gone/a.mp4")

    for video in (elsewhere, gone):
        assert await list_tracks(films, f"/v1/videos/{video['id']}/stream") == []
    unknown = await get(films, "/v1/videos/00000000-0000-0000-0000-000000000001/tracks")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/video-not-found")


async def test_a_playback_url_opens_the_tracks(films: Films, add_file: AddFile) -> None:
    stream = await add_file("a.mp4", b"film")
    films.write("a.en.srt", SRT.format("English"))
    client = films.library.client
    begun = await client.post(stream.replace("/stream", "/playback"), headers=films.library.reader)
    playback = begun.json()

    (track,) = playback["tracks"]
    assert (await client.get(track["url"])).text == vtt("English")
    listed = await client.get(playback["url"].replace("/stream", "/tracks"))
    assert listed.json()["items"] == playback["tracks"]
    for path in ("/tracks", "/tracks/0.vtt"):
        assert (await client.get(stream.replace("/stream", path))).status_code == 401
