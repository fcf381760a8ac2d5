"""Refreshing at processes of Auth while the database restarts."""

import asyncio
import time
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from jose import jwt

from dbcommon.migrations import upgrade
from dbcommon.settings import DatabaseSettings
from tests.servers import TestServer
from tests.services.auth.auth_app import AuthDatabase, log_in, refresh, register
from tests.services.auth.processes import auth_process


async def _refresh_stubbornly(client: httpx.AsyncClient, token: str) -> list[httpx.Response]:
    """The responses up to the first that is not 503, to a client that follows Retry-After."""
    answers = [await refresh(client, token)]
    async with asyncio.timeout(9):
        while answers[-1].status_code == 503:
            assert "retry-after" in answers[-1].headers
            await asyncio.sleep(0.1)
            answers.append(await refresh(client, token))
    return answers


async def _wait_for_lock(database: AuthDatabase) -> None:
    started = time.monotonic()
    statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while await database.fetch_value(statement) == 0:
        assert time.monotonic() - started < 60, "no refresh waits for the lock"
        await asyncio.sleep(0.02)


@pytest.mark.long
async def test_a_refresh_interrupted_by_a_database_restart_gets_the_successor_when_retried(
    own_server: TestServer, tmp_path: Path
) -> None:
    await asyncio.to_thread(upgrade, "auth", own_server.url("auth", role="owner"))
    database = AuthDatabase(settings=DatabaseSettings(url=own_server.url("auth")), server=own_server)
    async with auth_process(database, folder=tmp_path) as replica:
        answer = await log_in(replica.client, await register(replica.client))
        session = UUID(jwt.get_unverified_claims(answer["access_token"])["sid"])
        async with database.connect() as connection:
            # The refreshes wait for this lock in their transactions when the server is stopped.
            lock = connection.transaction()
            await lock.start()
            await connection.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", session)
            waiting = [
                asyncio.create_task(_refresh_stubbornly(replica.client, answer["refresh_token"]))
                for _ in range(5)
            ]
            await _wait_for_lock(database)
            await asyncio.to_thread(own_server.cluster.stop)
            await asyncio.to_thread(own_server.cluster.start)
            all_answers = await asyncio.gather(*waiting)
        assert any(answers[0].status_code == 503 for answers in all_answers)
        assert {answers[-1].status_code for answers in all_answers} == {200}
        assert len({answers[-1].json()["refresh_token"] for answers in all_answers}) == 1
        row = (
            await database.fetch(
                "SELECT refresh_token_counter, ended_at FROM sessions WHERE id = $1", session
            )
        )[0]
        assert tuple(row) == (1, None)
