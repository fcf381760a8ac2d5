"""A queue in a table: who gets a job, what a lost lease means, the order of a key, dead letters."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import TIMESTAMP, BigInteger, Identity, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.jobs.queue import Job, JobColumns, Queue, retry_after
from dbcommon.models import new_metadata
from dbcommon.schedule import Schedule
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.servers import TestServer

LEASE = timedelta(minutes=5)
NAME = "queue_db"


class Model(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = {int: BigInteger, datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012 - as SQLAlchemy wants it


class Delivery(JobColumns, Model):
    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    order: Mapped[str | None]


JOBS = Queue(Delivery)
ORDERED = Queue(Delivery, key="order")


@pytest.fixture(scope="module")
async def settings(bare_server: TestServer) -> DatabaseSettings:
    admin = await bare_server.connect()
    await admin.execute(f"CREATE DATABASE {NAME} OWNER auth_owner TEMPLATE template0")
    await admin.execute(f"GRANT CONNECT ON DATABASE {NAME} TO auth_user")
    await admin.close()
    inside = await bare_server.connect(NAME)
    table = str(CreateTable(Model.metadata.tables["deliveries"]).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    await inside.execute(table)
    await inside.execute("GRANT ALL ON deliveries TO auth_user")
    await inside.close()
    url = bare_server.url("auth", database=NAME)
    return DatabaseSettings(url=url, pool=PoolSettings(max=20, wait_seconds=20))


@contextlib.asynccontextmanager
async def _running(settings: DatabaseSettings) -> AsyncIterator[Database]:
    database = Database(settings, application_name="queue")
    async with database.running():
        yield database


@pytest.fixture
async def database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    async with _running(settings) as database:
        async with database.transaction() as db:
            await db.execute(text("TRUNCATE deliveries"))
        yield database


async def add(database: Database, *orders: str | None, announce: bool = False) -> list[int]:
    async with database.transaction() as db:
        if announce:
            await JOBS.announce(db)
        rows = [{"order": order} for order in orders]
        return list(
            (
                await db.scalars(insert(Delivery).returning(Delivery.id, sort_by_parameter_order=True), rows)
            ).all()
        )


async def claim(
    database: Database, queue: Queue = JOBS, *, most: int = 10, lease: timedelta = LEASE
) -> Sequence[Job]:
    async with database.transaction() as db:
        return await queue.claim(db, Delivery.order, most=most, lease=lease)


async def finish(database: Database, job: Job) -> bool:
    async with database.transaction() as db:
        return await JOBS.finish(db, job)


async def read(database: Database, job_id: int) -> Any:
    return await database.fetch_one(select(Delivery.__table__).where(Delivery.id == job_id))


async def test_an_announced_job_is_taken_at_once_whatever_the_schedule(
    database: Database, settings: DatabaseSettings
) -> None:
    wake, taken = asyncio.Event(), asyncio.Queue[str]()

    async def work() -> None:
        for job in await claim(database):
            taken.put_nowait(job.order)

    schedule = Schedule(seconds=3600)
    async with contextlib.AsyncExitStack() as stack:
        other = await stack.enter_async_context(_running(settings))
        await stack.enter_async_context(run_every(schedule, work, name="the deliveries", wake=wake))
        await add(database, "added before anybody listened")
        stack.enter_context(JOBS.waking(database.listener, wake))
        async with asyncio.timeout(60):
            assert await taken.get() == "added before anybody listened"
            await add(other, "announced", announce=True)
            assert await taken.get() == "announced"


async def test_fifty_that_claim_at_once_get_each_job_once(database: Database) -> None:
    added = await add(database, *("a" for _ in range(200)))

    async def work() -> list[int]:
        mine: list[int] = []
        while jobs := await claim(database, most=3):
            assert len(jobs) <= 3
            mine += [job.id for job in jobs]
            assert all(await asyncio.gather(*(finish(database, job) for job in jobs)))
        return mine

    claimed = Counter(job for jobs in await asyncio.gather(*(work() for _ in range(50))) for job in jobs)
    # Whoever found all due rows locked by others has stopped early; nobody got one twice, and none is left.
    assert claimed == Counter(added)
    assert await claim(database) == []


async def test_a_claimed_job_is_hidden_until_its_lease_is_over(database: Database) -> None:
    (job_id,) = await add(database, "a")
    (lost,) = await claim(database, lease=timedelta(0))
    (job,) = await claim(database)
    assert (lost.id, lost.attempts, job.id, job.attempts) == (job_id, 1, job_id, 2)
    assert await claim(database) == []


async def test_a_worker_that_lost_the_lease_changes_nothing(database: Database) -> None:
    (job_id,) = await add(database, "a")
    (lost,) = await claim(database, lease=timedelta(0))
    (job,) = await claim(database)
    async with database.transaction() as db:
        assert not await JOBS.finish(db, lost)
        assert not await JOBS.give_up(db, lost)
        assert not await JOBS.retry(db, lost, pause=timedelta(0))
    assert await claim(database) == []
    assert await finish(database, job)
    assert (await read(database, job_id)).done_at is not None
    assert not await finish(database, job)


async def test_a_job_is_put_off_and_due_again(database: Database) -> None:
    await add(database, "a", "b")
    later, now = await claim(database)
    async with database.transaction() as db:
        assert await JOBS.retry(db, later, pause=timedelta(hours=1))
        assert await JOBS.retry(db, now, pause=timedelta(0), order="x")
    assert [(job.id, job.attempts) for job in await claim(database)] == [(now.id, 2)]
    assert [(await read(database, job.id)).order for job in (now, later)] == ["x", "a"]


async def test_jobs_of_a_key_are_claimed_in_order(database: Database) -> None:
    first, second, other, third = await add(database, "a", "a", "b", "a")
    jobs = {job.id: job for job in await claim(database, ORDERED)}
    assert set(jobs) == {first, other}
    assert await claim(database, ORDERED) == []
    async with database.transaction() as db:
        await ORDERED.retry(db, jobs[first], pause=timedelta(hours=1))
    assert await claim(database, ORDERED) == []
    async with database.transaction() as db:
        await db.execute(update(Delivery).where(Delivery.id == first).values(due_at=text("now()")))
    (job,) = await claim(database, ORDERED)
    assert await finish(database, job)
    (job,) = await claim(database, ORDERED)
    assert job.id == second
    async with database.transaction() as db:
        await ORDERED.give_up(db, job)
    assert [job.id for job in await claim(database, ORDERED)] == [third]


async def test_jobs_without_a_key_wait_for_none(database: Database) -> None:
    added = await add(database, None, None, "a")
    assert {job.id for job in await claim(database, ORDERED)} == set(added)


async def test_only_the_jobs_that_are_asked_for_are_claimed(database: Database) -> None:
    _, wanted = await add(database, "a", "b")
    async with database.transaction() as db:
        jobs = await JOBS.claim(db, most=10, lease=LEASE, where=Delivery.order == "b")
    assert [job.id for job in jobs] == [wanted]


async def test_fifty_that_claim_at_once_keep_the_order_of_each_key(database: Database) -> None:
    added = await add(database, *("abcd"[number % 4] for number in range(24)))
    worked: dict[str, list[int]] = {"a": [], "b": [], "c": [], "d": []}

    async def work() -> None:
        while sum(map(len, worked.values())) < len(added):
            for job in await claim(database, ORDERED, most=2):
                worked[job.order].append(job.id)
                assert await finish(database, job)

    async with asyncio.timeout(120):
        await asyncio.gather(*(work() for _ in range(50)))
    assert worked == {order: added[place::4] for place, order in enumerate("abcd")}


async def test_dead_letters_are_listed_and_replayed(database: Database) -> None:
    dead, alive = await add(database, "a", "b")
    jobs = {job.id: job for job in await claim(database)}
    async with database.transaction() as db:
        assert await JOBS.give_up(db, jobs[dead])
    assert await finish(database, jobs[alive])
    async with database.transaction() as db:
        assert [(job.id, job.order) for job in await JOBS.list_failed(db, Delivery.order, most=10)] == [
            (dead, "a")
        ]
        assert await JOBS.replay(db, [dead, alive]) == 1
    assert [(job.id, job.attempts) for job in await claim(database)] == [(dead, 1)]


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 2), (2, 4), (3, 8), (9, 300), (10_000, 300)])
def test_pauses_double_up_to_the_longest(attempts: int, seconds: float) -> None:
    pause = retry_after(attempts, first=timedelta(seconds=2), longest=timedelta(seconds=300))
    assert pause == timedelta(seconds=seconds)
