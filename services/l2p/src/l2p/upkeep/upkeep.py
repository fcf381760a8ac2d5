"""Looks after the lobbies once a second, in one process at a time."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.driver import repository as games
from l2p.driver.phases import Phases
from l2p.lobbies import service as lobby_rules
from l2p.lobbies.repository import lock_lobby
from l2p.log.events import EventType, NewEvent
from l2p.log.log import LobbyLog
from l2p.upkeep import repository

logger = logging.getLogger(__name__)

HOST_GONE_SECONDS = 15
"""After so long without a connection of the host another player hosts, and without any connection a game pauses."""

NOBODY = "nobody connected"
"""The reason of a pause that ends when somebody is back."""

_TURN = Schedule(seconds=1.0, jitter=0.1)
_CLEANING = Schedule(seconds=3600.0, jitter=0.2)


class Upkeep:
    """`idle_seconds`: a lobby without any connection for so long is closed. `kept`: how long logs of closed lobbies stay."""

    def __init__(
        self, database: Database, log: LobbyLog, phases: Phases, *, idle_seconds: int, kept: timedelta
    ) -> None:
        self._database = database
        self._log = log
        self._phases = phases
        self._idle_seconds = idle_seconds
        self._kept = kept

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the lobbies while the block runs."""
        async with (
            run_every(_TURN, self.look_after, name="the upkeep of lobbies"),
            run_every(_CLEANING, self.clean, name="the removal of old logs"),
        ):
            yield

    async def look_after(self) -> None:
        """Do what lobbies need, unless another process has the turn. Raises `DatabaseError`."""
        if not await repository.take_turn(self._database):
            return
        in_need = await repository.find_lobbies_in_need(self._database, idle_seconds=self._idle_seconds)
        for lobby_id in in_need:
            async with self._database.transaction() as db:
                if await lock_lobby(db, lobby_id) is not None:
                    await self._attend(db, lobby_id)

    async def clean(self) -> None:
        """Delete old logs, and processes that are gone. Raises `DatabaseError`."""
        await repository.forget_processes(self._database)
        while await repository.forget_events(self._database, kept=self._kept):
            pass

    async def _attend(self, db: AsyncSession, lobby_id: UUID) -> None:
        changes = await repository.note_presence(db, lobby_id)
        kinds: dict[bool, EventType] = {True: "player.connected", False: "player.disconnected"}
        events = (NewEvent(type=kinds[is_here], data={"user_id": user_id}) for user_id, is_here in changes)
        await self._log.append(db, lobby_id, *events)
        state = await repository.read_state(db, lobby_id)
        if state is None:
            return
        if state.host_gone_seconds is not None and state.host_gone_seconds > HOST_GONE_SECONDS:
            await self._hand_over(db, state)
        if not state.somebody_here and state.empty_seconds > self._idle_seconds:
            await lobby_rules.close_lobby(db, lobby_id, reason="idle", log=self._log)
            logger.info("lobby %s is closed: nobody was connected for %d s", lobby_id, self._idle_seconds)
        elif state.game_id is not None:
            await self._pause_or_resume(db, state)

    async def _hand_over(self, db: AsyncSession, state: Row[Any]) -> None:
        successor = await repository.find_successor(db, state.lobby_id, host_id=state.host_id)
        if successor is not None:
            await lobby_rules.set_host(db, state.lobby_id, host_id=successor, log=self._log)

    async def _pause_or_resume(self, db: AsyncSession, state: Row[Any]) -> None:
        game = await games.lock_game(db, state.game_id)
        if game is None:
            return
        if game.status == "paused":
            if state.somebody_here and state.pause_reason == NOBODY:
                await self._phases.resume(db, game, since=game.paused_at)
        elif not state.somebody_here and state.empty_seconds > HOST_GONE_SECONDS:
            await self._phases.pause(db, game, reason=NOBODY)
