"""The rules of leaderboards: what may be asked for, and where the next page begins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from uuid import UUID

from fastapi import Response

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.clock.clock import DatabaseClock
from l2p.leaderboards import repository
from l2p.leaderboards.errors import RatingHasNoPeriod
from l2p.leaderboards.periods import Period, list_past, name_period
from l2p.leaderboards.repository import BATCH, BoardFilter, BoardPosition
from l2p.models import Board
from webcommon.api.paging import CursorCodec

MERGE_SCHEDULE = Schedule(seconds=5.0)
"""How often the counts are merged that changes of standings have added."""

FORGET_SCHEDULE = Schedule(seconds=3600.0)


async def read_board(
    database: Database,
    *,
    by: Board,
    period: Period,
    player_id: UUID,
    around_me: bool,
    now: datetime,
    cursors: CursorCodec,
    cursor: str | None,
    limit: int,
) -> Response:
    """The JSON of `Leaderboard`. A cursor stays in the period that its first page was of. Raises `RatingHasNoPeriod`."""
    if by == "rating" and period != "all":
        raise RatingHasNoPeriod
    scope = f"leaderboard by={by} period={period}"
    position = cursors.decode(scope, cursor)
    name, after = name_period(period, now), None
    if position is not None:
        name, after = position[0], BoardPosition(value=position[1], user_id=position[2])
    wanted = BoardFilter(board=by, period=name)
    if around_me and after is None:
        page = await repository.find_around(database, wanted, me=player_id, limit=limit)
    else:
        page = await repository.find_page(database, wanted, me=player_id, after=after, limit=limit)
    following = "null"
    if page["value"] is not None:
        following = f'"{cursors.encode(scope, [name, page["value"], page["user_id"]])}"'
    body = f'{{"items":{page["items"]},"me":{page["me"] or "null"},"next_cursor":{following}}}'
    return Response(body, media_type="application/json")


@asynccontextmanager
async def maintaining(database: Database, clock: DatabaseClock) -> AsyncIterator[None]:
    """Merge counts and forget past periods while the block runs.

    Ranks are right without it, but add up more rows with each change.
    """

    async def merge() -> None:
        await repeat_batches(lambda: repository.merge_counts(database), batch=BATCH)

    async def forget() -> None:
        await forget_past(database, now=clock.now())

    async with (
        run_every(MERGE_SCHEDULE, merge, name="the merging of leaderboards' counts"),
        run_every(FORGET_SCHEDULE, forget, name="the deletion of past leaderboards"),
    ):
        yield


async def forget_past(database: Database, *, now: datetime) -> None:
    """Delete the boards of periods that ended long ago."""
    for first, before in list_past(now):
        await repeat_batches(
            partial(repository.forget_period, database, first=first, before=before), batch=BATCH
        )
