"""Playlists over HTTP and by sync."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.services.videovault.history.viewer import Viewer
from tests.services.videovault.library import Library
from tests.services.videovault.sync.device import Device
from tests.tokens import TokenMint
from videovault.models import item_id, watch_later_id


@pytest.fixture
def viewer(library: Library, mint: TokenMint) -> Viewer:
    """A user without a playlist."""
    return Viewer(library=library, mint=mint)


async def items(viewer: Viewer, playlist_id: object) -> list[tuple[str, str | None]]:
    """Videos and gaps of a playlist, by two pages."""
    path = f"/v1/playlists/{playlist_id}/items"
    page = await viewer.call("GET", f"{path}?limit=2")
    found = page["items"]
    if page["next_cursor"]:
        found += (await viewer.call("GET", f"{path}?cursor={page['next_cursor']}"))["items"]
    return [(item["video_id"], item["gap"]) for item in found]


async def filled(viewer: Viewer, count: int) -> tuple[str, list[str]]:
    """A playlist with videos; its id, and theirs in order."""
    playlist = await viewer.call("POST", "/v1/playlists", json={"name": "mine"}, status=201)
    videos = [(await viewer.library.add())["id"] for _ in range(count)]
    for video_id in videos:
        body = {"video_id": video_id}
        await viewer.call("POST", f"/v1/playlists/{playlist['id']}/items", json=body, status=201)
    return playlist["id"], videos


async def move(viewer: Viewer, playlist_id: str, video_id: str, after: str | None) -> Any:
    """Put a video behind another one, or first."""
    names = [after and str(item_id(viewer.id, playlist_id, after)), item_id(viewer.id, playlist_id, video_id)]
    return await viewer.call(
        "PATCH", f"/v1/playlists/{playlist_id}/items/{names[1]}", json={"after": names[0]}
    )


async def test_a_playlist_is_made_filled_renamed_and_deleted(library: Library, viewer: Viewer) -> None:
    playlist_id, videos = await filled(viewer, 3)
    path = f"/v1/playlists/{playlist_id}"

    again = await viewer.call("POST", f"{path}/items", json={"video_id": videos[0]}, status=200)
    renamed = await viewer.call("PATCH", path, json={"name": "other"})
    await viewer.call("DELETE", f"{path}/items/{again['id']}", status=204)

    assert (renamed["name"], renamed["items"], renamed["is_watch_later"]) == ("other", 3, False)
    assert await items(viewer, playlist_id) == [(videos[1], None), (videos[2], None)]
    await viewer.call("DELETE", path, status=204)
    await viewer.call("GET", f"{path}/items", status=404)
    assert [each["is_watch_later"] for each in (await viewer.call("GET", "/v1/playlists"))["items"]] == [True]


async def test_items_are_moved(library: Library, viewer: Viewer) -> None:
    playlist_id, (a, b, c, d) = await filled(viewer, 4)

    await move(viewer, playlist_id, d, None)
    await move(viewer, playlist_id, a, c)
    await move(viewer, playlist_id, b, b)

    assert await items(viewer, playlist_id) == [(d, None), (b, None), (c, None), (a, None)]


async def test_moves_at_once_of_a_user_and_of_a_device_that_was_away_all_hold(
    library: Library, viewer: Viewer
) -> None:
    playlist_id, videos = await filled(viewer, 12)
    first, last = videos[0], videos[-1]
    phone = Device(library, headers=viewer.headers)
    await phone.sync()
    head = phone.state(str(item_id(viewer.id, playlist_id, first)))["fields"]["position"]["value"]
    phone.put("playlist_item", str(item_id(viewer.id, playlist_id, last)), "position", head[:-1] + "1")

    await asyncio.gather(*(move(viewer, playlist_id, video_id, first) for video_id in videos[6:11]))
    await phone.sync()

    order = [video_id for video_id, _ in await items(viewer, playlist_id)]
    assert order[:2] == [last, first]
    assert set(order[2:7]) == set(videos[6:11])
    assert order[7:] == videos[1:6]


async def test_equal_positions_and_long_ones_are_numbered_anew(library: Library, viewer: Viewer) -> None:
    playlist_id, (a, b, c) = await filled(viewer, 3)
    await library.execute(
        "UPDATE playlist_items SET position = 'V' WHERE playlist_id = :id", id=UUID(playlist_id)
    )
    one, two, three = [each[0] for each in await items(viewer, playlist_id)]
    await move(viewer, playlist_id, three, one)
    assert await items(viewer, playlist_id) == [(one, None), (three, None), (two, None)]

    for _ in range(40):
        await move(viewer, playlist_id, two, one)
        await move(viewer, playlist_id, three, one)

    assert {a, b, c} == {one, two, three}
    assert await items(viewer, playlist_id) == [(one, None), (three, None), (two, None)]
    longest = f"SELECT max(length(position)) FROM playlist_items WHERE playlist_id = '{playlist_id}'"  # noqa: S608
    assert await library.value(longest) <= 64


async def test_a_deleted_or_missing_video_leaves_a_gap_that_says_so(library: Library, viewer: Viewer) -> None:
    playlist_id, (a, b, c) = await filled(viewer, 3)
    operation_id = (await library.delete(a)).json()["operation_id"]
    await library.execute("UPDATE videos SET missing_since = now() WHERE id = :id", id=UUID(b))

    assert await items(viewer, playlist_id) == [(a, "deleted"), (b, "missing"), (c, None)]
    page = await viewer.call("GET", f"/v1/playlists/{playlist_id}/items")
    assert [item["video"] and item["video"]["id"] for item in page["items"]] == [None, b, c]
    await library.client.post(f"/v1/operations/{operation_id}/undo", headers=library.editor)
    assert (await items(viewer, playlist_id))[0] == (a, None)


async def test_watch_later_is_there_for_fifty_first_requests_at_once_and_stays(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add()
    later = watch_later_id(viewer.id)

    pages = await asyncio.gather(*(viewer.call("GET", "/v1/playlists") for _ in range(50)))

    assert {len(page["items"]) for page in pages} == {1}
    assert {page["items"][0]["id"] for page in pages} == {str(later)}
    refused = await viewer.call("DELETE", f"/v1/playlists/{later}", status=409)
    assert refused["type"] == "/problems/playlist-stays"
    other = Viewer(library=library, mint=viewer.mint)
    path = f"/v1/playlists/{watch_later_id(other.id)}/items"
    await other.call("POST", path, json={"video_id": video["id"]}, status=201)
    assert await items(other, watch_later_id(other.id)) == [(video["id"], None)]


async def test_a_playlist_that_a_device_deleted_comes_back_whole_by_a_later_change(
    library: Library, viewer: Viewer
) -> None:
    playlist_id, videos = await filled(viewer, 2)
    phone = Device(library, headers=viewer.headers)
    await phone.sync()
    phone.put("playlist", playlist_id, "*", None)
    await phone.sync()
    await viewer.call("GET", f"/v1/playlists/{playlist_id}/items", status=404)

    phone.put("playlist", playlist_id, "name", "back")
    await phone.sync()

    assert [video_id for video_id, _ in await items(viewer, playlist_id)] == videos


async def test_someone_elses_playlist_is_not_there(library: Library, viewer: Viewer) -> None:
    playlist_id, (video_id,) = await filled(viewer, 1)
    other = Viewer(library=library, mint=viewer.mint)
    path, row_id = f"/v1/playlists/{playlist_id}", item_id(viewer.id, playlist_id, video_id)
    await other.call("GET", f"{path}/items", status=404)
    await other.call("PATCH", path, json={"name": "x"}, status=404)
    await other.call("DELETE", path, status=404)
    await other.call("POST", f"{path}/items", json={"video_id": video_id}, status=404)
    await other.call("PATCH", f"{path}/items/{row_id}", json={"after": None}, status=404)
    await other.call("DELETE", f"{path}/items/{row_id}", status=404)
    stranger = Device(library, headers=other.headers)
    value = {"playlist_id": playlist_id, "video_id": video_id, "position": "V"}
    stranger.put("playlist_item", str(item_id(other.id, playlist_id, video_id)), "*", value)
    (result,) = (await stranger.sync())["results"]

    assert result["problem"]["type"] == "/problems/row-not-found"
    assert playlist_id not in stranger.pulled


async def test_what_is_not_there_is_404_and_what_is_too_much_409(library: Library, viewer: Viewer) -> None:
    playlist_id, (video_id,) = await filled(viewer, 1)
    path = f"/v1/playlists/{playlist_id}/items"
    await viewer.call("POST", path, json={"video_id": str(uuid4())}, status=404)
    body = {"after": str(uuid4())}
    await viewer.call("PATCH", f"{path}/{item_id(viewer.id, playlist_id, video_id)}", json=body, status=404)
    await library.execute(
        "INSERT INTO playlist_items (user_id, playlist_id, video_id, position)"
        " SELECT :user, :playlist, gen_random_uuid(), 'V' FROM generate_series(2, 5000)",
        user=viewer.id,
        playlist=UUID(playlist_id),
    )
    await library.execute(
        "INSERT INTO playlists (user_id, name) SELECT :user, 'x' FROM generate_series(2, 500)", user=viewer.id
    )
    other = await library.add()

    full = await viewer.call("POST", path, json={"video_id": other["id"]}, status=409)
    many = await viewer.call("POST", "/v1/playlists", json={"name": "x"}, status=409)
    phone = Device(library, headers=viewer.headers)
    phone.put("playlist", str(uuid4()), "*", {"name": "x"})

    assert (full["type"], many["type"]) == ("/problems/playlist-full", "/problems/too-many-playlists")
    assert (await phone.push(phone.queue, limit=1))["results"][0]["status"] == "refused"
