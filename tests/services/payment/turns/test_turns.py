"""Work that one process at a time does."""

import asyncio
from typing import Any

import pytest

from dbcommon.engine import Database
from payment.turns.repository import find_turn
from payment.turns.service import Run, TurnLost, take_turn
from tests.services.payment.shop import Sql
from webcommon.app.service import Service

END_LEASE = "UPDATE turns SET lease_until = now() WHERE name = 'verification'"


@pytest.fixture
def database(app: Service, client: object) -> Database:
    """The database of the running application."""
    return app.component(Database)


async def test_while_one_has_the_turn_nobody_else_has(database: Database) -> None:
    async def nobody(_run: Run) -> dict[str, Any]:
        raise AssertionError("two at once")

    async def work(run: Run) -> dict[str, Any]:
        await run.renew()
        others = [take_turn(database, "verification", nobody, period=None) for _ in range(10)]
        return {"others": sum(await asyncio.gather(*others))}

    assert await take_turn(database, "verification", work, period=None)
    assert (await find_turn(database, "verification")).result == {"others": 0}


async def test_run_that_fails_is_due_again_once_its_lease_is_over(database: Database, sql: Sql) -> None:
    before = await find_turn(database, "verification")

    async def fail(_run: Run) -> dict[str, Any]:
        raise LookupError("on purpose")

    async def work(_run: Run) -> dict[str, Any]:
        return {"done": True}

    with pytest.raises(LookupError):
        await take_turn(database, "verification", fail, period=None)
    assert not await take_turn(database, "verification", work, period=None)
    assert (await find_turn(database, "verification")).finished_at == before.finished_at
    await sql.execute(END_LEASE)
    assert await take_turn(database, "verification", work, period=None)


async def test_run_that_was_silent_for_too_long_learns_that_another_has_begun(
    database: Database, sql: Sql
) -> None:
    async def quick(_run: Run) -> dict[str, Any]:
        return {"quick": True}

    async def slow(run: Run) -> dict[str, Any]:
        await sql.execute(END_LEASE)
        assert await take_turn(database, "verification", quick, period=None)
        await run.renew()
        return {"slow": True}

    with pytest.raises(TurnLost):
        await take_turn(database, "verification", slow, period=None)
    assert (await find_turn(database, "verification")).result == {"quick": True}
