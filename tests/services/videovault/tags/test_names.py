"""Aliases of tags, and tags above tags."""

import asyncio
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.services.videovault.library import Library, tag
from tests.services.videovault.tags.test_tags import bulk, counts, done, post, rename, tags_of, undo


@pytest_asyncio.fixture(autouse=True)
async def _no_names(library: Library) -> None:
    await library.execute("DELETE FROM tag_aliases")
    await library.execute("DELETE FROM tag_parents")


async def put(
    library: Library, kind: str, body: Any, headers: dict[str, str] | None = None
) -> httpx.Response:
    """PUT an alias or a parent, as the editor."""
    return await library.client.put(f"/v1/tags/{kind}", json=body, headers=headers or library.editor)


async def alias(library: Library, name: str, stands_for: str) -> httpx.Response:
    """Let a place's name stand for another one's."""
    return await put(library, "aliases", {"tag_category": "place", "alias": name, "tag_name": stands_for})


async def parent(library: Library, name: str, above: str) -> httpx.Response:
    """Put a place above another."""
    body = {"tag_category": "place", "tag_name": name, "parent_category": "place", "parent_name": above}
    return await put(library, "parents", body)


async def drop(library: Library, kind: str, named: str) -> int:
    """Delete an alias or a parent; returns the status."""
    path = f"/v1/tags/{kind}"
    return (await library.client.delete(path, params={"tag": named}, headers=library.editor)).status_code


async def rows(library: Library, kind: str) -> list[list[str]]:
    """All aliases or parents, by pages of one."""
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await library.get(f"/v1/tags/{kind}", limit=1, **cursor)).json()
        found += [list(item.values()) for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_an_alias_gives_its_tag_however_it_is_added_and_a_filter_by_it_finds_the_tag(
    library: Library,
) -> None:
    before = await library.add(file_name="before", tags=[tag("place", "pier")])
    answer = await alias(library, "Pier", "Quay")
    new = await library.add(file_name="new", tags=[tag("place", "PIER"), tag("place", "quay")])
    old = await library.add(file_name="old")
    await bulk(library, [old, before], add=[tag("place", "Pier")])

    assert answer.json() == {"tag_category": "place", "alias": "Pier", "tag_name": "Quay"}
    assert await tags_of(library, new, old) == [["place:Quay"], ["place:Quay"]]
    # What has the name as a tag of its own counts as the tag.
    for name in ("pier", "QUAY"):
        assert sorted(await library.names(tag=f"place:{name}")) == ["before", "new", "old"]
        assert await library.names(tag=f"-place:{name}") == []
    assert await counts(library) == {"place:Quay": 3}
    assert await drop(library, "aliases", "PLACE:pier") == 204
    assert await library.names(tag="place:pier") == ["before"]
    assert await drop(library, "aliases", "place:pier") == 404


async def test_an_alias_of_an_alias_stands_for_the_tag_and_none_for_itself(library: Library) -> None:
    await alias(library, "b", "c")
    await alias(library, "a", "B")
    assert await rows(library, "aliases") == [["place", "a", "c"], ["place", "b", "c"]]
    await alias(library, "C", "d")

    found = await rows(library, "aliases")
    refused = [await alias(library, *pair) for pair in (("x", "X"), ("d", "a"))]

    assert found == [["place", "a", "d"], ["place", "b", "d"], ["place", "C", "d"]]
    assert {(each.status_code, each.json()["type"]) for each in refused} == {(409, "/problems/tag-circle")}
    assert await rows(library, "aliases") == found


async def test_a_filter_by_a_tag_includes_all_below_it_and_an_exclusion_too(library: Library) -> None:
    for name, above in (("berth", "quay"), ("Quay", "harbour"), ("mole", "harbour")):
        assert (await parent(library, name, above)).status_code == 200
    await alias(library, "port", "Harbour")
    for name in ("berth", "quay", "mole", "harbour", "town"):
        await library.add(file_name=name, tags=[tag("place", name)])
    await library.add(file_name="two", tags=[tag("place", "berth"), tag("place", "mole")])

    assert sorted(await library.names(tag="place:PORT")) == ["berth", "harbour", "mole", "quay", "two"]
    assert sorted(await library.names(tag=["place:harbour", "-place:quay"])) == ["harbour", "mole"]
    assert await library.names(tag=["place:mole", "place:quay"]) == ["two"]
    assert await library.names(tag="-place:harbour") == ["town"]
    assert (await counts(library)) == {
        "place:harbour": 5,
        "place:quay": 3,
        "place:berth": 2,
        "place:mole": 2,
        "place:town": 1,
    }
    assert await counts(library, tag="place:mole") == {
        "place:harbour": 2,
        "place:mole": 2,
        "place:berth": 1,
        "place:quay": 1,
    }


async def test_a_tag_has_one_parent_and_a_count_is_that_of_the_filter(library: Library) -> None:
    await parent(library, "a", "b")
    await parent(library, "A", "C")
    await library.add(tags=[tag("place", "a")])

    assert await rows(library, "parents") == [["place", "a", "place", "C"]]
    assert await counts(library) == {"place:a": 1, "place:C": 1}
    assert await drop(library, "parents", "place:a") == 204
    assert await drop(library, "parents", "place:a") == 404
    assert await counts(library) == {"place:a": 1}


async def test_no_tag_is_above_itself_also_when_two_at_once_would_close_a_circle(library: Library) -> None:
    names = ["a", "b", "c"]
    assert (await parent(library, "a", "A")).status_code == 409
    for _ in range(5):
        await library.execute("DELETE FROM tag_parents")
        answers = await asyncio.gather(
            *(parent(library, one, other) for one, other in zip(names, names[1:] + names[:1], strict=True))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 200, 409]
        assert await library.value("SELECT count(*) FROM tag_parents") == 2


async def test_there_are_ten_levels_above_a_tag_at_most(library: Library) -> None:
    answers = [await parent(library, f"{number}", f"{number + 1}") for number in range(11)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [409]


async def test_aliases_and_parents_follow_a_renaming_and_come_back_with_its_undo(library: Library) -> None:
    await alias(library, "pier", "quay")
    await parent(library, "berth", "quay")
    await parent(library, "quay", "harbour")
    video = await library.add(tags=[tag("place", "quay")])
    before = {kind: await rows(library, kind) for kind in ("aliases", "parents")}

    result = await rename(library, "quay", "Wharf")
    assert await rows(library, "aliases") == [["place", "pier", "Wharf"]]
    assert await rows(library, "parents") == [
        ["place", "berth", "place", "Wharf"],
        ["place", "Wharf", "place", "harbour"],
    ]
    await undo(library, result)
    assert {kind: await rows(library, kind) for kind in before} == before
    assert await tags_of(library, video) == [["place:quay"]]

    # Onto its own alias: that is its name then.
    await rename(library, "quay", "Pier")
    assert (await rows(library, "aliases"), await tags_of(library, video)) == ([], [["place:Pier"]])
    # Onto an alias of another: onto that.
    await alias(library, "dock", "mole")
    await rename(library, "pier", "DOCK")
    assert await tags_of(library, video) == [["place:mole"]]


async def test_a_merging_that_would_close_a_circle_is_refused_whole(library: Library) -> None:
    await parent(library, "a", "b")
    await parent(library, "b", "c")
    video = await library.add(tags=[tag("place", "c")])

    answer = await post(library, "/v1/tags/rename", {"tag_category": "place", "from": "c", "to": "a"})

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/tag-circle")
    assert await tags_of(library, video) == [["place:c"]]
    # The tag above goes into the one below it: what is left has none above.
    await done(library, "/v1/tags/rename", {"tag_category": "place", "from": "b", "to": "a"})
    assert await rows(library, "parents") == [["place", "a", "place", "c"]]


@pytest.mark.parametrize("name", ["", " ", "a\0", "x" * 201])
async def test_names_that_are_none_are_refused_and_readers_change_none(library: Library, name: str) -> None:
    assert (await alias(library, name, "a")).status_code == 422
    assert (await parent(library, "a", name)).status_code == 422
    body = {"tag_category": "place", "alias": "b", "tag_name": "a"}
    assert (await put(library, "aliases", {**body, "tag_category": "a:b"})).status_code == 422
    assert (await put(library, "aliases", body, headers=library.reader)).status_code == 403
    assert await rows(library, "aliases") == []
