"""The route of streams over HTTP."""

import os
from email import message_from_bytes
from email.message import Message
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from tests.clients import running
from tests.services.videovault.library import settings_for
from tests.services.videovault.scans.folders import Films
from tests.services.videovault.streams.conftest import AddFile
from videovault.main import create_app

CONTENT = bytes(range(250)) * 4
LONG_AGO = 784_111_777


async def get(films: Films, path: str, *, method: str = "GET", **headers: str) -> httpx.Response:
    """GET as the reader; `if_range="…"` is the header `If-Range`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await films.library.client.request(method, path, headers={**films.library.reader, **sent})


def age(films: Films, name: str) -> None:
    """Let the file be modified long ago."""
    os.utime(films.folder / name, (LONG_AGO, LONG_AGO))


async def test_a_file_is_sent_whole(films: Films, add_file: AddFile) -> None:
    path = await add_file("a.mp4", CONTENT)
    age(films, "a.mp4")

    answer = await get(films, path)

    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == "1000"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-disposition" not in answer.headers
    assert answer.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=990-", 990, 999), ("bytes=-10", 990, 999), ("bytes=990-5000", 990, 999)],
)
async def test_one_range_is_sent_as_it_is(
    films: Films, add_file: AddFile, header: str, first: int, last: int
) -> None:
    answer = await get(films, await add_file("a.mp4", CONTENT), range=header)

    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/1000"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert "etag" in answer.headers


async def test_several_ranges_are_parts_of_one_body(films: Films, add_file: AddFile) -> None:
    """RFC 9110, sections 14.6 and 15.3.7.2."""
    path = await add_file("a.mp4", CONTENT)

    answer = await get(films, path, range="bytes=500-501,2000-,0-9,-1")

    assert answer.status_code == 206
    assert "content-range" not in answer.headers
    assert answer.headers["content-length"] == str(len(answer.content))
    parts = read_parts(answer)
    assert [(part["Content-Type"], part["Content-Range"]) for part in parts] == [
        ("video/mp4", "bytes 500-501/1000"),
        ("video/mp4", "bytes 0-9/1000"),
        ("video/mp4", "bytes 999-999/1000"),
    ]
    assert [part.get_payload(decode=True) for part in parts] == [CONTENT[500:502], CONTENT[:10], CONTENT[-1:]]


def read_parts(answer: httpx.Response) -> list[Message]:
    """The parts of a `multipart/byteranges`, read by the library for mails."""
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/byteranges; boundary=")
    message: Message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + answer.content)
    assert message.is_multipart()
    parts: Any = message.get_payload()
    return list(parts)


async def test_one_satisfiable_range_of_several_is_sent_as_it_is(films: Films, add_file: AddFile) -> None:
    answer = await get(films, await add_file("a.mp4", CONTENT), range="bytes=2000-,0-4")

    assert (answer.status_code, answer.content) == (206, CONTENT[:5])
    assert answer.headers["content-range"] == "bytes 0-4/1000"


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=5000-,-0", 1000), ("bytes=0-", 0)]
)
async def test_without_a_satisfiable_range_the_size_is_told(
    films: Films, add_file: AddFile, header: str, size: int
) -> None:
    """RFC 9110, section 15.5.17."""
    answer = await get(films, await add_file("a.mp4", CONTENT[:size]), range=header)

    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.json()["type"] == "/problems/range-not-satisfiable"


@pytest.mark.parametrize("header", ["items=0-5", "bytes=5-2", "bytes=abc", "bytes=" + "0-0," * 101])
async def test_a_range_header_that_is_ignored_gets_all(films: Films, add_file: AddFile, header: str) -> None:
    """RFC 9110, section 14.2."""
    answer = await get(films, await add_file("a.mp4", CONTENT), range=header)

    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_an_empty_file_is_sent(films: Films, add_file: AddFile) -> None:
    path = await add_file("a.mp4")
    for headers in ({}, {"range": "bytes=-5"}):
        answer = await get(films, path, **headers)
        assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_head_tells_the_same_without_content_and_without_ranges(
    films: Films, add_file: AddFile
) -> None:
    """RFC 9110, sections 9.3.2 and 14.2."""
    path = await add_file("a.mp4", CONTENT)

    got, head = await get(films, path), await get(films, path, method="HEAD", range="bytes=0-4")

    assert (head.status_code, head.content) == (200, b"")
    varying = {"x-request-id", "date"}
    assert {name: value for name, value in head.headers.items() if name not in varying} == {
        name: value for name, value in got.headers.items() if name not in varying
    }


async def test_offsets_of_five_gigabytes(films: Films, add_file: AddFile) -> None:
    path = await add_file("a.mp4", b"x")
    with (films.folder / "a.mp4").open("r+b") as file:
        file.truncate(5 * 1024**3)
        file.seek(2**32 - 1)
        file.write(b"abc")

    across = await get(films, path, range="bytes=4294967295-4294967297")
    end = await get(films, path, range="bytes=5368709110-")
    head = await get(films, path, method="HEAD")

    assert (across.status_code, across.content) == (206, b"abc")
    assert (end.headers["content-range"], end.content) == (
        "bytes 5368709110-5368709119/5368709120",
        bytes(10),
    )
    assert head.headers["content-length"] == "5368709120"


async def test_conditions_are_honoured(films: Films, add_file: AddFile) -> None:
    """RFC 9110, section 13; the table of rules is in `test_conditions`."""
    path = await add_file("a.mp4", CONTENT)
    age(films, "a.mp4")
    tag = (await get(films, path)).headers["etag"]
    date = formatdate(LONG_AGO, usegmt=True)

    known = await get(films, path, if_none_match=f'"x", {tag}')
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert known.headers["accept-ranges"] == "bytes"
    assert (await get(films, path, if_modified_since=date)).status_code == 304
    refused = await get(films, path, if_match='"x"')
    assert (refused.status_code, refused.json()["type"]) == (412, "/problems/precondition-failed")
    assert refused.headers["etag"] == tag
    earlier = formatdate(LONG_AGO - 1, usegmt=True)
    assert (await get(films, path, if_unmodified_since=earlier)).status_code == 412
    for validator in (tag, date):
        part = await get(films, path, range="bytes=0-4", if_range=validator)
        assert (part.status_code, part.content) == (206, CONTENT[:5])
    for other in ('"x"', f"W/{tag}", earlier):
        whole = await get(films, path, range="bytes=0-4", if_range=other)
        assert (whole.status_code, whole.content) == (200, CONTENT)
    beyond = await get(films, path, range="bytes=5000-", if_range='"x"')
    assert beyond.status_code == 200
    same = await get(films, path, method="HEAD", if_none_match=tag)
    assert same.status_code == 304


async def test_the_tag_changes_with_time_size_and_file(films: Films, add_file: AddFile) -> None:
    path = await add_file("a.mp4", CONTENT)
    file = films.folder / "a.mp4"
    tags = []
    for nanoseconds, content in ((10**18, CONTENT), (10**18 + 1, CONTENT), (10**18, CONTENT[1:])):
        file.write_bytes(content)
        os.utime(file, ns=(nanoseconds, nanoseconds))
        tags.append((await get(films, path)).headers["etag"])
    (films.folder / "new").write_bytes(CONTENT)
    os.utime(films.folder / "new", ns=(10**18, 10**18))
    (films.folder / "new").replace(file)
    tags.append((await get(films, path)).headers["etag"])

    assert len(set(tags)) == 4
    assert (await get(films, path)).headers["etag"] == tags[-1]


async def test_a_file_of_the_future_was_modified_now(films: Films, add_file: AddFile) -> None:
    """RFC 9110, section 8.8.2.1."""
    path = await add_file("a.mp4", CONTENT)
    os.utime(films.folder / "a.mp4", (4e9, 4e9))

    answer = await get(films, path, if_modified_since="Sun, 06 Nov 1994 08:49:37 GMT")

    assert answer.status_code == 200
    assert not answer.headers["last-modified"].endswith("2096 07:06:40 GMT")


async def test_a_download_has_the_name_of_the_video(films: Films, add_file: AddFile) -> None:
    path = await add_file("100% #1, ä&ö?.mp4", CONTENT)

    answer = await get(films, f"{path}?download=1", range="bytes=0-4")

    assert (answer.status_code, answer.content) == (206, CONTENT[:5])
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"100_ #1, _&_?.mp4\"; filename*=UTF-8''100%25%20#1%2C%20%C3%A4&%C3%B6%3F.mp4"
    )


async def test_a_name_that_is_not_utf_8_is_streamed(films: Films) -> None:
    films.write(b"bad\xff\n\x01.mp4", b"odd")
    films.write("good.mp4", b"good")
    await films.scan()
    (odd,) = [video for name, video in (await films.videos()).items() if name.startswith("bad")]

    answer = await get(films, f"/v1/videos/{odd['id']}/stream?download=1")

    assert (answer.status_code, answer.content) == (200, b"odd")
    assert answer.headers["content-disposition"].endswith("filename*=UTF-8''bad%EF%BF%BD__.mp4")


async def test_both_forms_of_a_name_are_files_of_their_own(films: Films) -> None:
    for name in ("Am\u00e9lie.mp4", "Ame\u0301lie.mp4"):
        films.write(name, name.encode())
    await films.scan()

    for name, video_id in (await films.ids()).items():
        assert (await get(films, f"/v1/videos/{video_id}/stream")).content == name.encode()


@pytest.mark.parametrize(
    ("claimed", "sent"),
    [
        ("video/x-matroska", "video/x-matroska"),
        ("audio/mp4", "audio/mp4"),
        ("application/mxf", "application/mxf"),
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
    ],
)
async def test_only_media_types_of_media_are_sent(
    films: Films, add_file: AddFile, claimed: str, sent: str
) -> None:
    answer = await get(films, await add_file("a.mp4", b"<script>", mime_type=claimed))

    assert (answer.status_code, answer.headers["content-type"]) == (200, sent)


async def test_what_is_no_file_of_a_root_is_404(films: Films, add_file: AddFile) -> None:
    outside = films.folder.parent / f"{films.folder.name}-2"
    outside.mkdir()
    (outside / "a.mp4").write_bytes(CONTENT)
    films.write("real.mp4", CONTENT)
    (films.folder / "link.mp4").symlink_to(outside / "a.mp4")
    (films.folder / "inner.mp4").symlink_to("real.mp4")
    (films.folder / "aside").symlink_to(outside)
    root = films.folder

    for file_path, told in [
        (f"{outside}/a.mp4", "no root"),
        (f"{root}/../{outside.name}/a.mp4", "inside of a root"),
        (f"{root}/sub/../real.mp4", "inside of a root"),
        (f"{root}//real.mp4", "inside of a root"),
        (f"{root}/link.mp4", "inside of a root"),
        (f"{root}/inner.mp4", "inside of a root"),
        (f"{root}/aside/a.mp4", "inside of a root"),
        (f"{root}/gone.mp4", "missing"),
        ("/etc/passwd", "no root"),
        ("local:1/a.mp4", "no root"),
        ("real.mp4", "no root"),
    ]:
        video = await films.library.add(file_path=file_path)
        answer = await get(films, f"/v1/videos/{video['id']}/stream")
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/file-not-found"), file_path
        assert told in answer.json()["detail"], file_path


async def test_a_missing_video_is_streamed_when_its_file_is_back(films: Films) -> None:
    films.write("a.mp4", CONTENT)
    await films.scan()
    (video_id,) = (await films.ids()).values()
    (films.folder / "a.mp4").rename(films.folder / "a.off")
    await films.scan()

    gone = await get(films, f"/v1/videos/{video_id}/stream")
    (films.folder / "a.off").rename(films.folder / "a.mp4")
    back = await get(films, f"/v1/videos/{video_id}/stream")

    assert (gone.status_code, "missing" in gone.json()["detail"]) == (404, True)
    assert (back.status_code, back.content) == (200, CONTENT)


async def test_a_video_whose_place_another_one_took_has_no_file(films: Films) -> None:
    films.write("a.mp4", b"one")
    films.write("b.mp4", b"two")
    await films.scan()
    ids = await films.ids()
    (films.folder / "a.mp4").replace(films.folder / "b.mp4")
    await films.scan()

    assert (await get(films, f"/v1/videos/{ids['a.mp4']}/stream")).content == b"one"
    assert (await get(films, f"/v1/videos/{ids['b.mp4']}/stream")).status_code == 404


async def test_an_unknown_video_and_a_missing_token_are_refused(films: Films, add_file: AddFile) -> None:
    path = await add_file("a.mp4", CONTENT)
    unknown = await get(films, "/v1/videos/00000000-0000-0000-0000-000000000001/stream")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/video-not-found")
    for headers in ({}, {"Authorization": "Bearer x"}):
        for method in ("GET", "HEAD"):
            answer = await films.library.client.request(method, path, headers=headers)
            assert answer.status_code == 401


async def test_an_open_library_streams_to_this_machine_alone(films: Films, add_file: AddFile) -> None:
    path = await add_file("a.mp4", CONTENT)
    settings = settings_for(
        films.library.app.settings.database, access="open", media_roots=str(films.folder.parent)
    )
    async with running(create_app(settings)) as client:
        here = await client.get(f"http://127.0.0.1:5100{path}")
        strange = await client.get(f"http://rebound.example:5100{path}")
    assert (here.status_code, here.content) == (200, CONTENT)
    assert strange.status_code == 403


async def test_without_a_database_there_is_no_stream() -> None:
    async with running(create_app(settings_for(None))) as client:
        answer = await client.get("/v1/videos/00000000-0000-0000-0000-000000000001/stream")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/no-persistence")


async def test_a_root_that_is_not_allowed_any_more_streams_nothing(films: Films, add_file: AddFile) -> None:
    path = await add_file("a.mp4", CONTENT)
    settings = settings_for(films.library.app.settings.database, access="open")
    async with running(create_app(settings)) as client:
        answer = await client.get(f"http://127.0.0.1:5100{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/file-not-found")
