"""Requests that wait for a row that a test has locked, so that the test decides their order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime
from typing import Any

import asyncpg
import httpx

from tests.services.auth.auth_app import AuthDatabase
from tests.services.auth.mail.mails import eventually

_WAITING = (
    "SELECT pid, query_start FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


EVERYTHING = """
    SELECT (SELECT row(u.*)::text FROM users u WHERE id = $1::uuid),
        (SELECT array_agg(row(s.*)::text ORDER BY s.id) FROM sessions s WHERE user_id = $1::uuid),
        (SELECT array_agg(row(p.*)::text) FROM passkeys p WHERE user_id = $1::uuid),
        (SELECT array_agg(row(o.*)::text) FROM oauth_accounts o WHERE user_id = $1::uuid),
        (SELECT array_agg(row(t.*)::text) FROM totp_secrets t WHERE user_id = $1::uuid),
        (SELECT array_agg(row(c.*)::text ORDER BY c.code_hash) FROM recovery_codes c WHERE user_id = $1::uuid),
        (SELECT count(*) FROM email_tokens WHERE user_id = $1::uuid AND kind <> 'verify'),
        (SELECT count(*) FROM audit_events WHERE user_id = $1::uuid)
"""
"""What the database holds of an account, as one row that changes with it."""


@contextlib.asynccontextmanager
async def holding_account(database: AuthDatabase, user_id: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A transaction that locks an account's row for the block, and commits at its end."""
    async with database.connect() as connection, connection.transaction():
        await connection.execute("SELECT FROM users WHERE id = $1::uuid FOR UPDATE", user_id)
        yield connection


async def find_waiting(database: AuthDatabase) -> set[tuple[int, datetime]]:
    """The statements that wait for a row, by process id and query start."""
    return {(row["pid"], row["query_start"]) for row in await database.fetch(_WAITING)}


async def queue(
    database: AuthDatabase, call: Coroutine[Any, Any, httpx.Response]
) -> asyncio.Task[httpx.Response]:
    """Start the call; return once it waits for the row or has finished."""
    # Compared one by one, since a count would take a statement that waits briefly for that of the call.
    before = await find_waiting(database)
    task = asyncio.create_task(call)

    async def queued() -> bool:
        return task.done() or bool(await find_waiting(database) - before)

    await eventually(queued)
    return task
