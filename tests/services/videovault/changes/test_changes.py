"""The list of a video's changes, and the purge of the log."""

from uuid import UUID, uuid4

import asyncpg

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from tests.servers import TestServer
from tests.services.videovault.changes.log import read_log
from tests.services.videovault.library import Library, tag
from videovault.changes.schemas import ChangeBody
from videovault.changes.service import purge
from webcommon.api.paging import Page


async def test_changes_are_listed_newest_first_also_of_a_deleted_video(library: Library) -> None:
    video = await library.add(title="one", tags=[tag("Place", "Quay")])
    await library.client.patch(f"/v1/videos/{video['id']}", json={"title": "two"}, headers=library.editor)
    operation_id = (await library.delete(video["id"])).json()["operation_id"]

    answer = await library.get(f"/v1/videos/{video['id']}/changes")

    page = Page[ChangeBody].model_validate_json(answer.content)
    assert [(item.entity, item.field) for item in page.items] == [
        ("video", "*"),
        ("video", "title"),
        ("tag", "place:quay"),
        ("video", "*"),
    ]
    deleted, renamed, tagged, made = answer.json()["items"]
    assert (renamed["old"], renamed["new"], renamed["operation_id"]) == ("one", "two", None)
    assert (tagged["old"], tagged["new"]) == (None, tag("Place", "Quay"))
    assert (made["old"], made["new"]["title"], "clocks" in made["new"]) == (None, "one", False)
    assert (deleted["new"], deleted["old"]["title"], deleted["operation_id"]) == (None, "two", operation_id)
    assert {item["status"] for item in answer.json()["items"]} == {"applied"}
    log = await read_log(library, video["id"])
    assert [item["at"] for item in answer.json()["items"]] == [row["at"] for row in reversed(log)]


async def test_pages_of_changes_are_the_list_while_more_are_made(library: Library) -> None:
    video = await library.add()
    for number in range(6):
        await library.execute("UPDATE videos SET title = :title", title=str(number))
    path = f"/v1/videos/{video['id']}/changes"
    page = (await library.get(path, limit=3)).json()
    titles = [item["new"] for item in page["items"]]
    while page["next_cursor"] is not None:
        await library.execute("UPDATE videos SET title = title || '+'")
        page = (await library.get(path, limit=3, cursor=page["next_cursor"])).json()
        titles += [item["new"] for item in page["items"]]

    assert titles[:-1] == ["5", "4", "3", "2", "1", "0"]


async def test_changes_of_no_video_are_404_and_a_cursor_of_another_is_refused(library: Library) -> None:
    one, two = await library.add(), await library.add()
    await library.execute("UPDATE videos SET title = 'x'")
    cursor = (await library.get(f"/v1/videos/{one['id']}/changes", limit=1)).json()["next_cursor"]

    assert (await library.get(f"/v1/videos/{uuid4()}/changes")).status_code == 404
    assert (await library.get(f"/v1/videos/{two['id']}/changes", cursor=cursor)).status_code == 422


async def test_a_private_change_is_listed_for_its_owner_only(library: Library) -> None:
    video = await library.add()
    await library.execute(
        "INSERT INTO changes (at, actor, user_id, entity, entity_id, field) VALUES ('1', 'x', :user, 'video', :id, 'rating')",
        user=uuid4(),
        id=UUID(video["id"]),
    )

    fields = [
        item["field"] for item in (await library.get(f"/v1/videos/{video['id']}/changes")).json()["items"]
    ]

    assert fields == ["*"]


async def test_the_purge_leaves_the_last_change_of_each_field_and_what_is_younger_than_thirty_days(
    library: Library, server: TestServer, database: DatabaseSettings
) -> None:
    owner = await asyncpg.connect(
        **server.url("videovault", role="owner", database=database.url.database).connect_arguments(
            application_name="tests"
        )
    )
    try:
        await owner.execute("TRUNCATE changes")

        async def age(days: int) -> None:
            await owner.execute(f"UPDATE changes SET created_at = created_at - interval '{days} days'")  # noqa: S608

        kept, deleted, young = [await library.add(title="0", tags=[tag("k", "v")]) for _ in range(3)]
        await library.execute("UPDATE videos SET title = '1', description = 'd'")
        await age(20)
        await library.execute("UPDATE videos SET title = '2'")
        await library.delete(deleted["id"])
        await library.execute("DELETE FROM tags WHERE video_id = :id", id=UUID(young["id"]))
        await age(11)
        await library.execute("UPDATE videos SET title = '3' WHERE id = :id", id=UUID(young["id"]))

        await purge(library.app.component(Database))

        found = {
            name: [(row["field"], row["new"]) for row in await read_log(library, video["id"])]
            for name, video in (("kept", kept), ("deleted", deleted), ("young", young))
        }
    finally:
        await owner.close()
    assert [(field, new) for field, new in found["kept"] if field not in {"*", "k:v"}] == [
        ("description", "d"),
        ("title", "2"),
    ]
    assert [field for field, _ in found["kept"]][:2] == ["*", "k:v"]
    # What is 11 days old stays, whatever became of it.
    assert found["deleted"] == [("title", "2"), ("*", None)]
    assert [field for field, _ in found["young"]] == ["*", "description", "title", "k:v", "title"]
