"""Idempotency keys on Payment's tables: one effect for each key, also for concurrent requests, after refusals and after crashes."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.errors import PoolExhausted
from dbcommon.migrations import upgrade
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.servers import TestServer
from webcommon.api.idempotency.errors import IdempotencyKeyBusy, IdempotencyKeyReused
from webcommon.api.idempotency.service import (
    Answer,
    IdempotentRequest,
    Run,
    delete_expired,
    run_idempotent,
    run_idempotent_in_transaction,
)
from webcommon.api.problems import Conflict

Connection = asyncpg.Connection
SOON = timedelta(seconds=30)


@pytest.fixture(scope="module")
async def replicas(bare_server: TestServer) -> AsyncIterator[tuple[Database, Database]]:
    """Two applications' pools on one database."""
    await asyncio.to_thread(upgrade, "payment", bare_server.url("payment", role="owner"))
    settings = await bare_server.copy_database("payment")
    one, other = (Database(settings, application_name=name) for name in ("one", "other"))
    async with one.running(), other.running():
        yield one, other


@pytest.fixture(scope="module")
def database(replicas: tuple[Database, Database]) -> Database:
    return replicas[0]


@pytest.fixture(scope="module")
async def sql(database: Database) -> AsyncIterator["Connection[Any]"]:
    connection = await asyncpg.connect(**database.settings.url.connect_arguments(application_name="tests"))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def request_of_user(sql: "Connection[Any]") -> IdempotentRequest:
    """A request of a new caller."""
    user_id = await sql.fetchval("INSERT INTO users DEFAULT VALUES RETURNING id")
    return _request(user_id)


def _request(user_id: UUID, fingerprint: bytes = b"one") -> IdempotentRequest:
    return IdempotentRequest(user_id=user_id, operation="try", key="k", fingerprint=fingerprint)


class Effect:
    """Work that counts its runs, and fails while its flag is set."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.runs: list[Run] = []

    async def __call__(self, run: Run) -> Answer:
        self.runs.append(run)
        if self.failures:
            raise self.failures.pop(0)
        return Answer(status_code=201, body=str(run.request_id), location="/here")


async def _end_leases(sql: "Connection[Any]") -> None:
    await sql.execute("UPDATE idempotency_keys SET leased_until = now() WHERE leased_until IS NOT NULL")


async def test_fifty_at_once_over_two_pools_have_one_effect(
    replicas: tuple[Database, Database], request_of_user: IdempotentRequest
) -> None:
    effect = Effect()
    answers = await asyncio.gather(
        *(run_idempotent(replicas[number % 2], request_of_user, work=effect) for number in range(50)),
        return_exceptions=True,
    )
    given = [answer for answer in answers if isinstance(answer, Answer)]
    refused = [answer for answer in answers if not isinstance(answer, Answer)]
    assert {type(error) for error in refused} <= {IdempotencyKeyBusy}
    assert len(effect.runs) == 1
    assert sum(not answer.replayed for answer in given) == 1
    again = await run_idempotent(replicas[1], request_of_user, work=effect)
    assert again == Answer(
        status_code=201, body=str(effect.runs[0].request_id), location="/here", replayed=True
    )


async def test_while_it_runs_it_is_busy_and_no_connection_is_held(
    database: Database, request_of_user: IdempotentRequest
) -> None:
    async def work(_run: Run) -> Answer:
        assert database.pool_status().in_use == 0
        with pytest.raises(IdempotencyKeyBusy):
            await run_idempotent(database, request_of_user, work=Effect())
        with pytest.raises(IdempotencyKeyReused):
            await run_idempotent(database, _request(request_of_user.user_id, b"two"), work=Effect())
        return Answer(status_code=200, body="{}")

    assert (await run_idempotent(database, request_of_user, work=work)).replayed is False


async def test_refusal_frees_the_key_for_any_request(
    database: Database, request_of_user: IdempotentRequest
) -> None:
    with pytest.raises(Conflict):
        await run_idempotent(database, request_of_user, work=Effect(Conflict("no")))
    effect = Effect()
    await run_idempotent(database, _request(request_of_user.user_id, b"two"), work=effect)
    assert [run.taken_over for run in effect.runs] == [False]


@pytest.mark.parametrize("error", [RuntimeError("broken"), asyncio.CancelledError()])
async def test_after_an_error_the_next_takes_over_with_the_same_id(
    database: Database, request_of_user: IdempotentRequest, error: BaseException
) -> None:
    effect = Effect(error)
    with pytest.raises(type(error)):
        await run_idempotent(database, request_of_user, work=effect)
    with pytest.raises(IdempotencyKeyReused):
        await run_idempotent(database, _request(request_of_user.user_id, b"two"), work=effect)
    await run_idempotent(database, request_of_user, work=effect)
    assert [run.taken_over for run in effect.runs] == [False, True]
    assert len({run.request_id for run in effect.runs}) == 1


async def test_caller_who_waited_for_a_connection_does_not_wait_for_another(
    replicas: tuple[Database, Database], request_of_user: IdempotentRequest
) -> None:
    pool = PoolSettings(min=1, max=1, wait_seconds=60)
    settings = DatabaseSettings(url=replicas[0].settings.url, pool=pool)
    async with contextlib.AsyncExitStack() as stack:
        full = Database(settings, application_name="full")
        await stack.enter_async_context(full.running())

        async def work(_run: Run) -> Answer:
            await stack.enter_async_context(full.engine.connect())
            raise PoolExhausted

        with pytest.raises(PoolExhausted):
            await asyncio.wait_for(run_idempotent(full, request_of_user, work=work), timeout=30)


async def test_lease_that_is_over_is_taken_over_by_one_of_fifty_and_the_overtaken_stores_nothing(
    replicas: tuple[Database, Database], request_of_user: IdempotentRequest, sql: "Connection[Any]"
) -> None:
    successor = Effect()

    async def work(_run: Run) -> Answer:
        await _end_leases(sql)
        await asyncio.gather(
            *(run_idempotent(replicas[number % 2], request_of_user, work=successor) for number in range(50)),
            return_exceptions=True,
        )
        return Answer(status_code=201, body="overtaken")

    with pytest.raises(IdempotencyKeyBusy):
        await run_idempotent(replicas[0], request_of_user, work=work)
    assert [run.taken_over for run in successor.runs] == [True]
    again = await run_idempotent(replicas[0], request_of_user, work=successor)
    assert (again.replayed, again.body) == (True, str(successor.runs[0].request_id))


async def test_overtaken_run_in_a_transaction_has_no_effect(
    database: Database, request_of_user: IdempotentRequest, sql: "Connection[Any]"
) -> None:
    async def succeed(db: AsyncSession) -> Answer:
        await db.execute(text("INSERT INTO users (name) VALUES ('effect')"))
        return Answer(status_code=201, body="second")

    async def be_overtaken(db: AsyncSession) -> Answer:
        await succeed(db)
        await _end_leases(sql)
        await run_idempotent_in_transaction(database, request_of_user, work=succeed)
        return Answer(status_code=201, body="first")

    with pytest.raises(IdempotencyKeyBusy):
        await run_idempotent_in_transaction(database, request_of_user, work=be_overtaken)
    assert await sql.fetchval("SELECT count(*) FROM users WHERE name = 'effect'") == 1
    again = await run_idempotent_in_transaction(database, request_of_user, work=succeed)
    assert (again.replayed, again.body) == (True, "second")


def _hang(settings: DatabaseSettings, request: IdempotentRequest, begun: Any) -> None:
    async def work(run: Run) -> Answer:
        begun.send(run.request_id)
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        database = Database(settings, application_name="killed")
        async with database.running():
            await run_idempotent(database, request, work=work)

    asyncio.run(main())


async def test_process_killed_in_its_work_is_followed_once_its_lease_is_over(
    database: Database, request_of_user: IdempotentRequest, sql: "Connection[Any]"
) -> None:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_hang, args=(database.settings, request_of_user, sender))
    process.start()
    try:
        assert await asyncio.to_thread(receiver.poll, SOON.total_seconds())
        request_id = receiver.recv()
    finally:
        process.kill()
        await asyncio.to_thread(process.join)
    effect = Effect()
    with pytest.raises(IdempotencyKeyBusy):
        await run_idempotent(database, request_of_user, work=effect)
    await _end_leases(sql)
    await run_idempotent(database, request_of_user, work=effect)
    assert [(run.request_id, run.taken_over) for run in effect.runs] == [(request_id, True)]


async def test_expired_keys_are_deleted_and_a_running_one_is_not(
    database: Database, request_of_user: IdempotentRequest, sql: "Connection[Any]"
) -> None:
    count = "SELECT count(*) FROM idempotency_keys WHERE user_id = $1"
    expire = "UPDATE idempotency_keys SET expires_at = now() WHERE user_id = $1"

    async def work(_run: Run) -> Answer:
        await sql.execute(expire, request_of_user.user_id)
        await delete_expired(database)
        assert await sql.fetchval(count, request_of_user.user_id) == 1
        return Answer(status_code=200, body="{}")

    await run_idempotent(database, request_of_user, work=work)
    await delete_expired(database)
    assert await sql.fetchval(count, request_of_user.user_id) == 1
    await sql.execute(expire, request_of_user.user_id)
    await delete_expired(database)
    assert await sql.fetchval(count, request_of_user.user_id) == 0
