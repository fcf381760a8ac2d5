"""How long a process trusts its memory of stored callers."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest_asyncio

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from payment.models import USER_COLUMNS
from tests.services.payment.shop import Sql
from webcommon.accounts.provisioning.service import TRUSTED_SECONDS, UserProvisioner
from webcommon.auth.bearer import Caller


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest_asyncio.fixture(scope="module")
async def database(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    database = Database(database_settings, application_name="tests")
    async with database.running():
        yield database


def _caller(user_id: UUID, *, email: str, later: int = 0) -> Caller:
    """The caller of a token signed `later` seconds after others."""
    now = int(time.time())
    return Caller(
        id=user_id,
        session_id=uuid4(),
        email=email,
        email_verified=True,
        username=None,
        roles=frozenset(),
        authenticated_at=now,
        expires_at=now + 900 + later,
    )


async def _email(sql: Sql, user_id: UUID) -> str | None:
    email: str | None = await sql.fetchval("SELECT email FROM users WHERE id = $1", user_id)
    return email


async def test_stored_caller_is_checked_again_after_a_while(database: Database, sql: Sql) -> None:
    clock, user_id = _Clock(), uuid4()
    provisioner = UserProvisioner(database, USER_COLUMNS, clock=clock)
    caller = _caller(user_id, email=f"{user_id}@example.com")
    await provisioner.ensure_user(caller)
    await sql.execute("DELETE FROM users WHERE id = $1", user_id)
    for seconds, rows in ((TRUSTED_SECONDS - 1, 0), (TRUSTED_SECONDS, 1)):
        clock.seconds = seconds
        await provisioner.ensure_user(caller)
        assert await sql.fetchval("SELECT count(*) FROM users WHERE id = $1", user_id) == rows


async def test_address_that_another_process_gave_away_comes_back_with_a_later_token(
    database: Database, sql: Sql
) -> None:
    clock, owner, other = _Clock(), uuid4(), uuid4()
    email = f"{owner}@example.com"
    here = UserProvisioner(database, USER_COLUMNS, clock=clock)
    there = UserProvisioner(database, USER_COLUMNS)
    await here.ensure_user(_caller(owner, email=email))
    await there.ensure_user(_caller(other, email=email, later=5))
    clock.seconds = TRUSTED_SECONDS
    await here.ensure_user(_caller(owner, email=email, later=10))
    assert (await _email(sql, owner), await _email(sql, other)) == (email, None)


async def test_address_that_this_process_gave_away_comes_back_at_once(database: Database, sql: Sql) -> None:
    owner, other = uuid4(), uuid4()
    email = f"{owner}@example.com"
    provisioner = UserProvisioner(database, USER_COLUMNS, clock=_Clock())
    for user_id, later in ((owner, 0), (other, 5), (owner, 10)):
        await provisioner.ensure_user(_caller(user_id, email=email, later=later))
    assert (await _email(sql, owner), await _email(sql, other)) == (email, None)


async def test_newcomers_who_come_at_once_to_two_processes_are_all_stored_once(
    database: Database, sql: Sql
) -> None:
    callers = [_caller(uuid4(), email=f"{uuid4()}@example.com") for _ in range(60)]
    processes = [UserProvisioner(database, USER_COLUMNS) for _ in range(2)]
    await asyncio.gather(
        *(processes[0].ensure_user(caller) for caller in callers),
        *(processes[1].ensure_user(caller) for caller in reversed(callers)),
    )
    stored = await sql.fetch("SELECT id, email FROM users WHERE id = ANY($1)", [each.id for each in callers])
    assert {row["id"]: row["email"] for row in stored} == {each.id: each.email for each in callers}


async def test_of_two_first_tokens_of_one_caller_the_newer_names_stay(database: Database, sql: Sql) -> None:
    provisioner, user_id = UserProvisioner(database, USER_COLUMNS), uuid4()
    newer = _caller(user_id, email=f"new-{user_id}@example.com", later=60)
    older = _caller(user_id, email=f"old-{user_id}@example.com")
    await asyncio.gather(provisioner.ensure_user(older), provisioner.ensure_user(newer))
    assert await _email(sql, user_id) == newer.email
