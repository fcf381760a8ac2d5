"""All processes go by the database's clock."""

import time
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from dbcommon.engine import Database
from l2p.clock.clock import DatabaseClock
from tests.services.l2p.players import Crowd
from webcommon.app.service import Service

TOLERANCE = timedelta(milliseconds=50)


@pytest.mark.parametrize("hours", [-1, 0, 1])
async def test_a_clock_that_is_off_gives_the_databases_time(
    crowd: Crowd, app: Service, sql: "asyncpg.Connection[Any]", hours: int
) -> None:
    clock = DatabaseClock(app.component(Database), monotonic=lambda: time.monotonic() + hours * 3600)
    await clock.measure()
    before: datetime = await sql.fetchval("SELECT clock_timestamp()")
    told = clock.now()
    after: datetime = await sql.fetchval("SELECT clock_timestamp()")
    assert before - TOLERANCE <= told <= after + TOLERANCE
    assert abs(clock.seconds_until(told + timedelta(hours=1)) - 3600) < 60
