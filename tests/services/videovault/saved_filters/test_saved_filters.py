"""Saved filters over HTTP and by sync."""

from typing import Any
from uuid import uuid4

import pytest

from tests.services.videovault.history.viewer import Viewer
from tests.services.videovault.library import Library
from tests.services.videovault.sync.device import Device
from tests.tokens import TokenMint

PATH = "/v1/saved-filters"
QUERY = {"q": "harbour", "tag": ["a:b", "-c:d"], "min_rating": 5, "sort": "-watched_at"}


@pytest.fixture
def viewer(library: Library, mint: TokenMint) -> Viewer:
    """A user without a saved filter."""
    return Viewer(library=library, mint=mint)


async def test_a_filter_is_saved_listed_changed_and_deleted(library: Library, viewer: Viewer) -> None:
    made = await viewer.call("POST", PATH, json={"name": "Evenings", "query": QUERY}, status=201)
    other = await viewer.call("POST", PATH, json={"name": "All", "query": {}}, status=201)

    assert (made["name"], made["query"], other["query"]) == ("Evenings", QUERY, {})
    assert (await viewer.call("GET", PATH))["items"] == [made, other]
    first = await viewer.call("GET", f"{PATH}?limit=1")
    assert (await viewer.call("GET", f"{PATH}?cursor={first['next_cursor']}"))["items"] == [other]
    changed = await viewer.call("PUT", f"{PATH}/{made['id']}", json={"name": "x", "query": {"q": "y"}})
    assert changed == {**made, "name": "x", "query": {"q": "y"}}
    await viewer.call("DELETE", f"{PATH}/{made['id']}", status=204)
    await viewer.call("DELETE", f"{PATH}/{made['id']}", status=404)
    assert (await viewer.call("GET", PATH))["items"] == [other]


@pytest.mark.parametrize(
    "query",
    [{"sort": "size"}, {"limit": 5}, {"cursor": "x"}, {"unknown": 1}, {"min_rating": 11}, {"tag": "a:b"}, 7],
)
async def test_what_is_no_list_is_refused(library: Library, viewer: Viewer, query: Any) -> None:
    refused = await viewer.call("POST", PATH, json={"name": "x", "query": query}, status=422)
    assert refused["errors"][0]["pointer"] == "#/query"
    phone = Device(library, headers=viewer.headers)
    phone.put("saved_filter", str(uuid4()), "*", {"name": "x", "query": query})
    assert (await phone.sync())["results"][0]["status"] == "refused"


async def test_someone_elses_filter_is_not_there(library: Library, viewer: Viewer) -> None:
    made = await viewer.call("POST", PATH, json={"name": "x", "query": QUERY}, status=201)
    other = Viewer(library=library, mint=viewer.mint)

    await other.call("PUT", f"{PATH}/{made['id']}", json={"name": "y", "query": {}}, status=404)
    await other.call("DELETE", f"{PATH}/{made['id']}", status=404)
    assert (await other.call("GET", PATH))["items"] == []


async def test_a_filter_of_a_device_is_one_like_others(library: Library, viewer: Viewer) -> None:
    phone, row_id = Device(library, headers=viewer.headers), str(uuid4())
    phone.put("saved_filter", row_id, "*", {"name": "x", "query": QUERY})
    phone.put("saved_filter", row_id, "name", "y")
    await phone.sync()

    [saved] = (await viewer.call("GET", PATH))["items"]
    assert (saved["id"], saved["name"], saved["query"]) == (row_id, "y", QUERY)


async def test_there_are_not_more_than_can_be(library: Library, viewer: Viewer) -> None:
    await library.execute(
        "INSERT INTO saved_filters (user_id, name, query) SELECT :user, 'x', '{}' FROM generate_series(1, 500)",
        user=viewer.id,
    )

    refused = await viewer.call("POST", PATH, json={"name": "x", "query": {}}, status=409)
    assert refused["type"] == "/problems/too-many-saved-filters"
