"""Videos recorded from a stream of lines."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from tests.libs.dbcommon.pools import until
from tests.services.videovault.library import Library, a_video, tag
from videovault.recording import routes
from videovault.recording.routes import LONGEST_LINE
from videovault.videos.schemas import MOST_VIDEOS

NDJSON = {"Content-Type": "application/x-ndjson"}
PATH = "/v1/videos/batch"


def lines_of(videos: Iterable[Any]) -> bytes:
    """The body with these values."""
    return b"".join(json.dumps(video).encode() + b"\n" for video in videos)


async def stream(library: Library, body: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
    """Record a stream as the editor."""
    return await library.client.post(PATH, content=body, headers=library.editor | NDJSON | headers)


async def in_parts(body: bytes, size: int) -> AsyncIterator[bytes]:
    """The body in parts of `size` bytes."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_a_stream_records_changes_and_leaves_alone_what_a_batch_would(library: Library) -> None:
    await library.add(file_path="/old", title="before", tags=[tag("a", "b"), tag("c", "d")])
    same = a_video(file_path="/same", tags=[tag("a", "b"), tag("A", "B")], metadata={"n": True})
    await library.post(same)
    videos = [
        a_video(file_path="/new/1", title="Ünï", tags=[tag("k", "1"), tag("K", "1")]),
        a_video(file_path="/old", title="first of two"),
        a_video(file_path="/old", file_size=99, title="after", tags=[tag("A", "B"), tag("e", "f")]),
        same,
        {**same, "file_path": "/new/2", "metadata": {"n": 1}},
    ]

    answer = await stream(library, in_parts(lines_of(videos), 7))
    again = await stream(library, lines_of(videos))

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"created": 2, "updated": 1, "unchanged": 1, "errors": [], "error_count": 0}
    assert again.json() == {"created": 0, "updated": 0, "unchanged": 4, "errors": [], "error_count": 0}
    listed = {video["file_path"]: video for video in (await library.get("/v1/videos")).json()["items"]}
    assert listed["/new/1"]["title"] == "Ünï"
    assert listed["/new/1"]["tags"] == [tag("k", "1")]
    assert (listed["/old"]["title"], listed["/old"]["file_size"]) == ("after", 99)
    assert listed["/old"]["tags"] == [tag("a", "b"), tag("e", "f")]
    assert listed["/same"]["metadata"] == {"n": True}
    assert await library.names(q="after") == [listed["/old"]["file_name"]]
    assert await library.names(q="uni") == [listed["/new/1"]["file_name"]]


async def test_what_a_stream_records_is_logged_with_times_that_later_changes_follow(library: Library) -> None:
    await stream(library, lines_of([a_video(file_path="/a", tags=[tag("k", "x"), tag("k", "y")])]))

    rows = await library.value(
        "SELECT json_agg(json_build_array(c.entity, c.field, c.at) ORDER BY c.seq) FROM changes c"
        " JOIN videos v ON v.id = c.entity_id"
    )
    made, *tagged = rows
    assert [made[:2], *(row[:2] for row in tagged)] == [["video", "*"], ["tag", "k:x"], ["tag", "k:y"]]
    assert made[2] == tagged[0][2] == tagged[1][2] == await library.value("SELECT last_at FROM videos")
    assert await library.value("SELECT clocks ->> '*' FROM videos") == made[2]
    await stream(library, lines_of([a_video(file_path="/a", tags=[tag("k", "z")])]))
    assert await library.value("SELECT max(at) FROM changes WHERE field = 'k:z'") > made[2]
    assert await library.value("SELECT count(*) FROM staged_videos") == 0


BAD = {
    "no JSON": b"{",
    "no object": b"[1]",
    "null": b"null",
    "text behind the object": b"{} {}",
    "invalid UTF-8": b'{"file_path": "\xff"}',
    "half of a pair": b'{"file_path": "\\ud800"}',
    "a field whose name is half of a pair": b'{"\\udc00": 1}',
    "too deep": b"[" * 5000,
    "a number without end": b'{"file_size": ' + b"9" * 5000 + b"}",
    "a mark of the byte order": b"\xef\xbb\xbf{}",
    "NUL": json.dumps(a_video(title="a\x00b")).encode(),
    "no size": json.dumps({"file_path": "/x"}).encode(),
    "a thousand unknown fields": json.dumps(a_video(**{f"n{n}": 1 for n in range(1000)})).encode(),
    "ten megabytes": json.dumps(a_video(title="x" * 10_000_000)).encode(),
    "no path that fits": json.dumps(
        a_video(file_path="/" + "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(1500)))
    ).encode(),
}


async def test_bad_lines_are_listed_by_their_numbers_and_stop_no_other(library: Library) -> None:
    good = json.dumps(a_video()).encode()
    lines = [good, *BAD.values(), b"  ", json.dumps(a_video()).encode()]

    answer = await stream(library, in_parts(b"\n".join(lines), 50_000))

    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert (result["created"], result["error_count"]) == (2, len(BAD))
    assert [error["index"] for error in result["errors"]] == [*range(1, len(BAD) + 1)]
    assert all(0 < len(error["detail"]) <= 500 for error in result["errors"])


async def test_of_a_key_that_comes_twice_the_last_value_holds(library: Library) -> None:
    line = b'{"title": "one", "file_path": "/a", "file_name": "a", "file_size": 1, "mime_type": "video/mp4", "title": "two"}'

    await stream(library, line)

    assert await library.value("SELECT title FROM videos") == "two"


async def test_of_very_many_bad_lines_a_thousand_are_listed_and_all_counted(library: Library) -> None:
    answer = await stream(library, b"x\n" * 100_000)

    result = answer.json()
    assert (result["error_count"], len(result["errors"])) == (100_000, 1000)
    assert [error["index"] for error in result["errors"]] == [*range(1000)]


async def test_a_line_may_have_so_many_bytes(library: Library) -> None:
    empty = len(json.dumps(a_video(file_path="/a", metadata={"a": ""})))
    fits = json.dumps(a_video(file_path="/a", metadata={"a": "x" * (LONGEST_LINE - empty - 50)}))
    body = f"{fits:{LONGEST_LINE}}\n{fits:{LONGEST_LINE + 1}}\n".encode()

    answer = await stream(library, body)

    assert (answer.json()["created"], [error["index"] for error in answer.json()["errors"]]) == (1, [1])


async def test_a_stream_that_breaks_off_keeps_what_was_committed(library: Library, library_url: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(library_url).port)
    head = {**library.editor, **NDJSON, "Host": "x", "Transfer-Encoding": "chunked"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode())
    body = lines_of([a_video() for _ in range(MOST_VIDEOS + 10)])
    writer.write(b"%x\r\n%b\r\n" % (len(body), body))
    await writer.drain()
    await until(lambda: library.value("SELECT count(*) > 0 FROM videos"))
    writer.close()
    await writer.wait_closed()

    assert await library.count() == MOST_VIDEOS


async def test_a_silent_stream_is_ended(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "SILENT_SECONDS", 0.05)
    is_over = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield lines_of([a_video()])
        await is_over.wait()

    answer = await stream(library, body())
    is_over.set()

    assert (answer.status_code, answer.json()["type"]) == (408, "/problems/request-timeout")
    assert await library.count() == 0


async def test_a_compressed_stream_is_refused(library: Library) -> None:
    answer = await stream(library, gzip.compress(lines_of([a_video()])), **{"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


async def test_two_streams_of_the_same_paths_in_opposite_orders_end(library: Library) -> None:
    videos = [a_video(tags=[tag("k", "x")]) for _ in range(300)]
    await stream(library, lines_of(videos[100:200]))
    changed = [{**video, "title": "new"} for video in videos]

    answers = await asyncio.gather(
        *(stream(library, lines_of(given[::step])) for given in (videos, changed) for step in (1, -1))
    )

    assert [answer.status_code for answer in answers] == [200] * 4
    assert sum(answer.json()["created"] for answer in answers) == 200
    assert await library.value("SELECT count(*) FROM tags") == await library.count() == 300


async def test_readers_stream_nothing(library: Library) -> None:
    answer = await library.client.post(PATH, content=b"", headers=library.reader | NDJSON)

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")


async def test_other_media_types_are_refused_and_a_parameter_is_not(library: Library) -> None:
    plain = await library.client.post(
        PATH, content=b"{}", headers={**library.editor, "Content-Type": "text/plain"}
    )
    empty = await stream(library, b"", **{"Content-Type": "Application/X-NDJSON; charset=utf-8"})

    assert plain.status_code == 415
    assert empty.json() == {"created": 0, "updated": 0, "unchanged": 0, "errors": [], "error_count": 0}
