"""The library exported and imported."""

import json
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.services.videovault.library import Library, a_video, tag
from tests.tokens import TokenMint
from videovault.exchange.kinds import KINDS

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def admin(mint: TokenMint) -> dict[str, str]:
    """The headers of an administrator."""
    return mint.headers(roles=("user", "admin"))


async def export(library: Library, headers: dict[str, str], **parameters: str) -> bytes:
    """An export."""
    answer = await library.client.get("/v1/export", params=parameters, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


async def take_in(library: Library, headers: dict[str, str], body: bytes, mode: str) -> httpx.Response:
    """POST /v1/import."""
    return await library.client.post(
        "/v1/import", params={"mode": mode}, content=body, headers=headers | NDJSON
    )


@pytest_asyncio.fixture
async def filled(library: Library, admin: dict[str, str]) -> Library:
    """A library with something of each kind."""
    emptied = await take_in(library, admin, b'{"kind": "export", "version": 1, "rows": 0}', "replace")
    assert emptied.status_code == 200, emptied.text
    one = await library.add(
        file_path="/a\\b", title="Ünï \u2028", metadata={"a": [1, None]}, tags=[tag("k", "x"), tag("k", "y")]
    )
    two = await library.add(hash="h", duration_seconds=3600)
    gone = await library.add(tags=[tag("k", "z")])
    await library.delete(gone["id"])
    await library.client.patch(f"/v1/videos/{one['id']}", json={"title": "later"}, headers=library.editor)
    body = {**a_video(file_path="/a\\b"), "tags": [tag("k", "x")]}
    await library.client.put("/v1/videos/by-path", json=body, headers=library.editor)
    for headers, rating in ((library.reader, 3), (library.editor, 8)):
        mine = await library.client.put(
            f"/v1/videos/{two['id']}/mine", json={"rating": rating}, headers=headers
        )
        seen = await library.client.put(
            f"/v1/videos/{two['id']}/progress", json={"position_seconds": 100 * rating}, headers=headers
        )
        assert (mine.status_code, seen.status_code) == (200, 200)
    alias = {"tag_category": "k", "alias": "ex", "tag_name": "x"}
    parent = {"tag_category": "k", "tag_name": "x", "parent_category": "k", "parent_name": "y"}
    for path, body in (("aliases", alias), ("parents", parent)):
        (await library.client.put(f"/v1/tags/{path}", json=body, headers=library.editor)).raise_for_status()
    await post(library, "/v1/saved-filters", {"name": "Evenings", "query": {"q": "harbour", "min_rating": 5}})
    kept, dropped = [await post(library, "/v1/playlists", {"name": name}) for name in ("Kept", "Dropped")]
    for video in (two, one):
        await post(library, f"/v1/playlists/{kept['id']}/items", {"video_id": video["id"]})
    await library.client.delete(f"/v1/playlists/{dropped['id']}", headers=library.reader)
    return library


async def post(library: Library, path: str, body: dict[str, Any]) -> Any:
    """What a reader makes."""
    answer = await library.client.post(path, json=body, headers=library.reader)
    assert answer.status_code == 201, answer.text
    return answer.json()


def kinds(exported: bytes) -> list[str]:
    """The kinds of the lines."""
    return [json.loads(line)["kind"] for line in exported.splitlines()]


async def test_an_export_imported_into_nothing_is_the_same_bytes(
    filled: Library, admin: dict[str, str]
) -> None:
    exported = await export(filled, admin, history="all")
    stream = await filled.value("SELECT stream FROM library")
    nothing = await take_in(filled, admin, b'{"kind": "export", "version": 1, "rows": 0}', "replace")
    assert (nothing.status_code, await filled.count()) == (200, 0)

    answer = await take_in(filled, admin, exported, "replace")

    assert answer.status_code == 200, answer.text
    assert (await export(filled, admin, history="all")).splitlines() == exported.splitlines()
    assert kinds(exported) == sorted(kinds(exported))
    assert set(kinds(exported)) == {"export", *(kind.name for kind in KINDS)}
    assert await filled.value("SELECT stream FROM library") != stream
    again = await take_in(filled, admin, exported, "replace")
    assert again.json()["imported"] == answer.json()["imported"]
    assert await export(filled, admin, history="all") == exported
    assert await filled.value("SELECT count(*) FROM staged_rows") == 0


async def test_an_imported_library_is_in_the_log_with_its_times(
    filled: Library, admin: dict[str, str]
) -> None:
    exported = await export(filled, admin, history="all")
    await take_in(filled, admin, exported, "replace")

    deleted = await filled.value(
        "SELECT count(*) FROM changes c JOIN tombstones t ON t.id = c.entity_id AND t.at = c.at WHERE c.new IS NULL AND c.field = '*'"
    )
    whole = await filled.value(
        "SELECT bool_and(c.new -> 'clocks' = v.clocks) FROM changes c JOIN videos v ON v.id = c.entity_id WHERE c.field = '*'"
    )
    assert (deleted, whole) == (1, True)
    assert await filled.value("SELECT count(*) FROM changes WHERE entity = 'video'") == 3


async def test_a_user_exports_nothing_of_others(filled: Library, admin: dict[str, str]) -> None:
    own = [json.loads(line) for line in (await export(filled, filled.editor)).splitlines()]
    nobodys = await export(filled, admin)

    assert [row["rating"] for row in own if row["kind"] == "mine"] == [8]
    assert len({row["user_id"] for row in own if "user_id" in row}) == 1
    assert not {"mine", "viewing"} & set(kinds(nobodys))


async def test_a_merge_adds_what_is_not_there_and_changes_nothing(
    filled: Library, admin: dict[str, str]
) -> None:
    exported = await export(filled, admin, history="all")
    await filled.execute("UPDATE videos SET title = 'here' WHERE file_path LIKE '/a%'")
    await filled.execute("DELETE FROM videos WHERE hash = 'h'")
    new = await filled.add()
    before = await export(filled, admin, history="all")

    answer = await take_in(filled, admin, exported, "merge")
    same = await export(filled, admin, history="all")
    await take_in(filled, admin, b'{"kind": "export", "version": 1, "rows": 0}', "replace")
    newer = await filled.add()
    all_of_it = await take_in(filled, admin, exported, "merge")

    assert (answer.json()["imported"]["video"], same) == (0, before)
    added = {kind: count for kind, count in all_of_it.json()["imported"].items() if count}
    assert added == {
        **{"video": 2, "tag": 1, "mine": 2, "viewing": 2, "saved_filter": 1},
        **{"playlist": 1, "playlist_item": 2, "tag_alias": 1, "tag_parent": 1},
    }
    assert (await filled.get(f"/v1/videos/{newer['id']}")).status_code == 200
    assert (await filled.get(f"/v1/videos/{new['id']}")).status_code == 404


BROKEN: dict[str, Any] = {
    "nothing": lambda lines: lines[:0],
    "no header": lambda lines: lines[1:],
    "a line too few": lambda lines: lines[:-1],
    "the same line twice": lambda lines: [lines[0], *lines[1:-1], lines[1]],
    "no JSON": lambda lines: [*lines[:-1], b"{"],
    "another file": lambda lines: [*lines[:-1], b'{"kind": "order"}'],
    "a list": lambda lines: [*lines[:-1], b"[]"],
    "a column too few": lambda lines: [*lines[:-1], b'{"kind": "tag", "id": 1}'],
    "NUL": lambda lines: [*lines[:-1], lines[-1].replace(b'"session_id" : "', b'"session_id" : "\\u0000')],
    "half of a pair": lambda lines: [
        *lines[:-1],
        lines[-1].replace(b'"session_id" : "', b'"session_id" : "\\ud800'),
    ],
    "no number": lambda lines: [
        *lines[:-1],
        lines[-1].replace(b'"position_seconds" : ', b'"position_seconds" : 1e99, "x":'),
    ],
    "too deep": lambda lines: [*lines[:-1], b"[" * 100_000],
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_broken_import_changes_nothing(filled: Library, admin: dict[str, str], broken: Any) -> None:
    exported = await export(filled, admin, history="all")

    answer = await take_in(filled, admin, b"\n".join(broken(exported.splitlines())), "replace")

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-import")
    assert await export(filled, admin, history="all") == exported
    assert await filled.value("SELECT count(*) FROM staged_rows") == 0


async def test_who_may_export_and_import(filled: Library, admin: dict[str, str]) -> None:
    export_all = await filled.client.get("/v1/export?history=all", headers=filled.editor)
    by_reader = await filled.client.get("/v1/export", headers=filled.reader)
    by_editor = await take_in(filled, filled.editor, b"", "merge")
    no_mode = await filled.client.post("/v1/import?mode=x", content=b"", headers=admin | NDJSON)
    as_json = await filled.client.post("/v1/import?mode=merge", json={}, headers=admin)

    assert [answer.status_code for answer in (export_all, by_reader, by_editor, no_mode, as_json)] == [
        *(403, 403, 403, 422, 415)
    ]
