"""Recording, reading and deleting one video."""

import asyncio
import random
from uuid import UUID, uuid4

import pytest

from tests.services.videovault.library import Library, a_video, tag
from tests.tokens import TokenMint


async def test_a_recorded_video_is_returned_and_read_back_equal(library: Library) -> None:
    body = a_video(
        duration_seconds=61,
        title="Harbour",
        description="Ships\nat night",
        metadata={"width": 1920, "codecs": ["h264", "aac"], "rate": 23.976, "nested": {"deep": None}},
        hash="abc123",
        tags=[tag("place", "Harbour"), tag("mood", "calm")],
    )

    created = await library.post(body)

    assert created.status_code == 201
    video = created.json()
    assert {name: video[name] for name in body} == body | {
        "tags": [tag("mood", "calm"), tag("place", "Harbour")]
    }
    assert created.headers["location"] == f"/v1/videos/{video['id']}"
    assert video["created_at"].endswith("Z")
    assert video["created_at"] == video["updated_at"]
    assert UUID(video["id"]).version == 7
    read = await library.get(created.headers["location"])
    assert (read.status_code, read.json()) == (200, video)
    assert read.headers["etag"] == created.headers["etag"]


async def test_fields_that_are_left_out_are_null_or_empty(library: Library) -> None:
    bare = await library.add()
    explicit = await library.add(duration_seconds=None, metadata=None, hash=None, tags=[])

    for video in (bare, explicit):
        assert (video["duration_seconds"], video["hash"]) == (None, None)
        assert (video["title"], video["description"], video["missing_since"]) == (None, None, None)
        assert (video["metadata"], video["tags"]) == ({}, [])


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "C:\\Videos\\Émile — été.mkv",
        "/videos/<img src=x onerror=alert(1)>.mp4",
        "  spaces at both ends  ",
        "line\nbreak\ttab",
        "%2e%2e/'; DROP TABLE videos; --",
        "/" + "x" * 4095,
        "影片/🎬.mp4",
    ],
)
async def test_a_path_is_stored_unchanged(library: Library, path: str) -> None:
    video = await library.add(file_path=path)

    assert video["file_path"] == path
    assert (await library.post(a_video(file_path=path))).status_code == 409


async def test_the_byte_that_marks_a_path_is_escaped_as_in_the_names_of_files(library: Library) -> None:
    video = await library.add(file_path="/one\x01two.mp4")

    assert video["file_path"] == r"/one\x01two.mp4"
    assert (await library.post(a_video(file_path=r"/one\x01two.mp4"))).status_code == 409


async def test_a_path_that_is_too_long_for_the_index_is_refused(library: Library) -> None:
    noise = random.Random(7)  # noqa: S311 - reproducible, and nothing secret
    path = "".join(chr(noise.randrange(0x4E00, 0x9F00)) for _ in range(1500))

    answer = await library.post(a_video(file_path=path))

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/path-too-long"
    assert answer.json()["errors"][0]["pointer"] == "#/file_path"
    assert await library.count() == 0


async def test_paths_that_differ_in_case_or_unicode_form_are_different_files(library: Library) -> None:
    for path in ("/v/caf\u00e9.mp4", "/v/cafe\u0301.mp4", "/v/CAF\u00c9.mp4"):
        await library.add(file_path=path)

    assert await library.count() == 3


async def test_a_taken_path_is_a_conflict_and_leaves_the_first_as_it_was(library: Library) -> None:
    first = await library.add(file_path="/videos/a.mp4", tags=[tag("place", "harbour")])

    answer = await library.post(a_video(file_path="/videos/a.mp4", file_size=1, tags=[tag("place", "beach")]))

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/path-taken"
    assert (await library.get(f"/v1/videos/{first['id']}")).json() == first


async def test_of_fifty_recordings_of_one_path_at_once_one_succeeds(library: Library) -> None:
    bodies = [
        a_video(file_path="/videos/same.mp4", file_name=f"{number}", tags=[tag("writer", f"{number}")])
        for number in range(50)
    ]

    answers = await asyncio.gather(*(library.post(body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    winner = next(answer.json() for answer in answers if answer.status_code == 201)
    assert await library.count() == 1
    assert await library.value("SELECT file_name FROM videos") == winner["file_name"]
    assert await library.value("SELECT array_agg(tag_name) FROM tags") == [winner["file_name"]]


async def test_the_hash_is_not_unique(library: Library) -> None:
    first, second = await library.add(hash="same"), await library.add(hash="same")

    assert first["hash"] == second["hash"]
    assert await library.count() == 2


async def test_spellings_of_one_tag_are_one_tag_and_the_first_is_kept(library: Library) -> None:
    spellings = [
        tag("Place", "Caf\u00e9"),
        tag("place", "caf\u00e9"),
        tag("PLACE", "CAFE\u0301"),
        tag("place", " Cafe\u0301 "),
        tag("\uff30lace", "\uff23af\u00e9"),
        tag("place", "cafe"),
        tag("mood", "caf\u00e9"),
    ]

    video = await library.add(tags=spellings)

    assert video["tags"] == [tag("mood", "caf\u00e9"), tag("place", "cafe"), tag("Place", "Caf\u00e9")]


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"file_path": ""}, "#/file_path"),
        ({"file_path": "nul\x00"}, "#/file_path"),
        ({"file_path": "x" * 4097}, "#/file_path"),
        ({"file_name": ""}, "#/file_name"),
        ({"file_name": None}, "#/file_name"),
        ({"file_name": "x" * 513}, "#/file_name"),
        ({"file_size": -1}, "#/file_size"),
        ({"file_size": 2**63}, "#/file_size"),
        ({"file_size": "12"}, "#/file_size"),
        ({"file_size": True}, "#/file_size"),
        ({"file_size": 1.0}, "#/file_size"),
        ({"file_size": 2.0**53}, "#/file_size"),
        ({"duration_seconds": -1}, "#/duration_seconds"),
        ({"duration_seconds": 2**31}, "#/duration_seconds"),
        ({"duration_seconds": 1.5}, "#/duration_seconds"),
        ({"duration_seconds": 61.0}, "#/duration_seconds"),
        ({"duration_seconds": False}, "#/duration_seconds"),
        ({"title": ""}, "#/title"),
        ({"title": "x" * 513}, "#/title"),
        ({"description": "x" * 16385}, "#/description"),
        ({"mime_type": "video"}, "#/mime_type"),
        ({"mime_type": "video/mp4\r\nX: y"}, "#/mime_type"),
        ({"hash": ""}, "#/hash"),
        ({"metadata": []}, "#/metadata"),
        ({"metadata": {"nul": "a\x00b"}}, "#/metadata"),
        ({"metadata": {"a\x00b": 1}}, "#/metadata"),
        ({"tags": [{"tag_name": "x"}]}, "#/tags/0/tag_category"),
        ({"tags": [tag("place", " ")]}, "#/tags/0/tag_name"),
        ({"tags": [tag("place", "\ufdfa" * 12)]}, "#/tags/0/tag_name"),
        ({"tags": [tag("a:b", "x")]}, "#/tags/0/tag_category"),
        ({"tags": [tag("-a", "x")]}, "#/tags/0/tag_category"),
        ({"tags": [tag("place", str(number)) for number in range(101)]}, "#/tags"),
        ({"tags": [tag("place", "x") | {"colour": "red"}]}, "#/tags/0/colour"),
        ({"id": str(uuid4())}, "#/id"),
    ],
)
async def test_an_invalid_field_is_refused_with_its_pointer(
    library: Library, changed: dict[str, object], pointer: str
) -> None:
    answer = await library.post(a_video(**changed))

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert await library.count() == 0


@pytest.mark.parametrize(
    "raw",
    [
        r'{"a": "\ud800"}',
        r'{"\udfff": 1}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "[" * 40 + "]" * 40 + "}",
    ],
)
async def test_metadata_that_postgres_cannot_store_is_refused(library: Library, raw: str) -> None:
    body = (
        '{"file_path": "/a", "file_name": "a", "file_size": 1, "mime_type": "video/mp4", "metadata": '
        + raw
        + "}"
    )

    answer = await library.client.post(
        "/v1/videos", content=body, headers=library.editor | {"Content-Type": "application/json"}
    )

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "#/metadata"


async def test_the_largest_values_are_stored(library: Library) -> None:
    extremes = {"file_size": 2**63 - 1, "duration_seconds": 2**31 - 1, "file_name": "\x01" * 512}

    video = await library.add(**extremes)

    assert {name: video[name] for name in extremes} == extremes


async def test_media_type_and_subtype_ignore_case(library: Library) -> None:
    video = await library.add(mime_type='Video/MP4; codecs="avc1.42E01E"')

    assert video["mime_type"] == 'video/mp4; codecs="avc1.42E01E"'


async def test_an_unchanged_video_is_answered_with_304(library: Library) -> None:
    video = await library.add(tags=[tag("place", "harbour")])
    path = f"/v1/videos/{video['id']}"
    etag = (await library.get(path)).headers["etag"]

    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await library.client.get(path, headers=library.reader | {"If-None-Match": condition})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    stale = await library.client.get(path, headers=library.reader | {"If-None-Match": '"other"'})
    assert (stale.status_code, stale.json()) == (200, video)


async def test_the_entity_tag_changes_with_the_tags(library: Library) -> None:
    first = await library.post(a_video(file_path="/a", tags=[tag("place", "harbour")]))
    await library.delete(first.json()["id"])
    second = await library.post(a_video(file_path="/a"))

    assert first.headers["etag"] != second.headers["etag"]


async def test_a_deleted_video_is_gone_with_its_tags(library: Library) -> None:
    kept = await library.add(tags=[tag("place", "harbour")])
    gone = await library.add(tags=[tag("place", "harbour"), tag("mood", "calm")])

    answer = await library.delete(gone["id"])

    assert (answer.status_code, list(answer.json())) == (200, ["operation_id"])
    missing = await library.get(f"/v1/videos/{gone['id']}")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/video-not-found")
    assert await library.value("SELECT array_agg(DISTINCT video_id) FROM tags") == [UUID(kept["id"])]


async def test_of_many_deletions_of_one_video_at_once_one_succeeds(library: Library) -> None:
    video = await library.add(tags=[tag("place", "harbour")])

    answers = await asyncio.gather(*(library.delete(video["id"]) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 19
    assert await library.count() == 0


async def test_a_freed_path_can_be_taken_again(library: Library) -> None:
    first = await library.add(file_path="/a")
    await library.delete(first["id"])

    assert (await library.add(file_path="/a"))["id"] != first["id"]


async def test_a_malformed_id_is_refused(library: Library) -> None:
    assert (await library.get("/v1/videos/17")).status_code == 422
    assert (await library.get(f"/v1/videos/{uuid4()}")).status_code == 404


async def test_every_call_requires_a_token(library: Library) -> None:
    video = await library.add()

    answers = [
        await library.client.get("/v1/videos"),
        await library.client.get(f"/v1/videos/{video['id']}"),
        await library.client.post("/v1/videos", json=a_video()),
        await library.client.delete(f"/v1/videos/{video['id']}"),
    ]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
    assert await library.count() == 1


async def test_a_plain_user_reads_and_does_not_write(library: Library) -> None:
    video = await library.add()
    path = f"/v1/videos/{video['id']}"

    assert (await library.get(path)).status_code == 200
    refusals = [
        await library.client.post("/v1/videos", json=a_video(), headers=library.reader),
        await library.client.delete(path, headers=library.reader),
    ]

    assert [(answer.status_code, answer.json()["type"]) for answer in refusals] == [
        (403, "/problems/forbidden")
    ] * 2
    assert await library.count() == 1


@pytest.mark.parametrize("role", ["editor", "admin"])
async def test_editors_and_admins_write(library: Library, mint: TokenMint, role: str) -> None:
    headers = mint.headers(roles=(role,))

    created = await library.client.post("/v1/videos", json=a_video(), headers=headers)
    deleted = await library.client.delete(created.headers["location"], headers=headers)

    assert (created.status_code, deleted.status_code) == (201, 200)
