"""Scans as processes: begun, followed, cancelled, one a root at a time, taken over."""

import asyncio
import json
from pathlib import Path
from uuid import UUID, uuid4

from dbcommon.engine import Database
from tests.services.videovault.library import Library
from tests.services.videovault.scans.folders import Films, counts, follow, make_root
from videovault.scans import repository
from videovault.scans.run import LEASE
from videovault.scans.schemas import ScanResult
from videovault.scans.worker import ScanWorker


async def begun_elsewhere(films: Films) -> UUID:
    """A scan that another process has begun, and is at."""
    database = films.library.app.component(Database)
    scan_id = uuid4()
    async with database.transaction() as db:
        await repository.begin(
            db,
            scan_id,
            root_id=UUID(films.root_id),
            is_full=False,
            result=ScanResult().model_dump(),
            runner=uuid4(),
            lease=LEASE,
        )
    return scan_id


async def test_a_root_has_one_scan_at_a_time(films: Films) -> None:
    scan_id = await begun_elsewhere(films)

    answers = await asyncio.gather(*(films.begin({"root_id": films.root_id}) for _ in range(20)))
    of_all = await films.begin({})

    assert {(answer.status_code, answer.json()["id"]) for answer in [*answers, of_all]} == {
        (200, str(scan_id))
    }


async def test_a_scan_of_all_roots_takes_those_that_are_free(films: Films, folder: Path) -> None:
    other = await make_root(films.library, folder.with_name(f"{folder.name} too"))
    other.write("a.mp4")
    await begun_elsewhere(films)

    begun = await films.begin({})

    assert begun.status_code == 202
    scan = await follow(films.library, begun.json()["id"])
    assert (scan["root_ids"], scan["status"]) == ([other.root_id], "done")
    assert counts(scan["result"]) == {"added": 1, "hashed": 1, "opened": 1}


async def test_the_scan_of_a_process_that_died_is_taken_over(films: Films) -> None:
    films.write("a.mp4")
    scan_id = await begun_elsewhere(films)
    await films.library.execute("UPDATE scans SET lease_until = now()")

    films.library.app.component(ScanWorker).wake()
    scan = await follow(films.library, str(scan_id))

    assert (scan["status"], scan["result"]["added"]) == ("done", 1)


async def test_a_scan_that_is_cancelled_ends_and_its_root_can_be_scanned(films: Films) -> None:
    films.write("a.mp4")
    scan_id = await begun_elsewhere(films)
    path = f"/v1/scans/{scan_id}"

    for _ in range(2):
        assert (await films.library.client.delete(path, headers=films.library.editor)).status_code == 204

    scan = (await films.library.get(path)).json()
    assert (scan["status"], scan["ended_at"] is None) == ("cancelled", False)
    assert (await films.scan())["added"] == 1
    assert (await films.library.get(path)).json() == scan


async def test_a_scan_is_followed_by_events(films: Films) -> None:
    for number in range(30):
        films.write(f"{number}.mp4")
    begun = await films.begin({"root_id": films.root_id})

    path = f"{begun.headers['location']}/events"
    async with films.library.client.stream("GET", path, headers=films.library.reader) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = [line async for line in response.aiter_lines()]
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]

    assert {event["status"] for event in events[:-1]} <= {"running"}
    assert (events[-1]["status"], events[-1]["result"]["added"]) == ("done", 30)
    assert events[-1] == (await films.library.get(begun.headers["location"])).json()


async def test_what_is_not_there_is_told(library: Library) -> None:
    for body, status, slug in (({}, 409, "no-roots"), ({"root_id": str(uuid4())}, 404, "root-not-found")):
        answer = await library.client.post("/v1/scans", json=body, headers=library.editor)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        answer = await library.client.request(method, f"/v1/scans/{uuid4()}{path}", headers=library.editor)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/scan-not-found")
    assert (await library.client.get(f"/v1/scans/{uuid4()}/events")).status_code == 401
