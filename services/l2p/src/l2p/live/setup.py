"""Puts the parts of the live games together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.models import new_id
from l2p.answers.batches import AnswerBatches
from l2p.clock.clock import CLOCK_SCHEDULE, DatabaseClock
from l2p.driver.driver import Driver
from l2p.driver.phases import Phases
from l2p.live.beginning import Beginning
from l2p.live.hub import Hub
from l2p.live.notices import Carrier, Notices, PostgresCarrier
from l2p.live.parts import Chat, LiveParts
from l2p.live.sessions import Sessions
from l2p.lobbies import service
from l2p.log.log import LobbyLog
from l2p.presence.presence import Presence
from l2p.ratings.calculator import RatingCalculator
from l2p.ratings.service import Ratings
from l2p.seats.seats import LobbySeats
from l2p.settings import Settings
from l2p.turns import LobbyTurns
from l2p.upkeep.upkeep import Upkeep
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.auth.bearer import Caller, TokenVerifier


@dataclass(frozen=True, kw_only=True)
class LiveGames:
    """What drives games and delivers logs in this process."""

    clock: DatabaseClock
    hub: Hub
    log: LobbyLog
    calculator: RatingCalculator
    phases: Phases
    presence: Presence
    driver: Driver
    upkeep: Upkeep
    turns: LobbyTurns
    seats: LobbySeats
    batches: AnswerBatches
    parts: LiveParts

    async def hand_over(self) -> None:
        """Give the games of this process to others, which go on with them at once. Raises `DatabaseError`."""
        if await self.driver.hand_over():
            self.hub.call_for_drivers()

    @asynccontextmanager
    async def running(self, verifier: TokenVerifier) -> AsyncIterator[None]:
        """Measure the clock, deliver, and drive while the block runs."""
        async with (
            run_every(CLOCK_SCHEDULE, self.clock.measure, name="the database's clock"),
            self.hub.running(),
            self.presence.running(),
            self.driver.running(),
            self.upkeep.running(),
            self.parts.sessions.running(verifier),
        ):
            yield


def make_live_games(settings: Settings, database: Database, provisioner: UserProvisioner) -> LiveGames:
    """The parts of one process, which gets a new id."""
    process_id = new_id()
    clock = DatabaseClock(database)
    hub = Hub(database, Notices(_make_carrier(settings, database)))
    log = LobbyLog(hub.announce)
    calculator = RatingCalculator()
    phases = Phases(database, log, Ratings(database, calculator))
    driver = Driver(database, clock, phases, process_id=process_id)
    hub.watch(driver.look_again)
    batches = AnswerBatches(database, clock, stored=hub.announce_answers)
    sessions = Sessions()
    presence = Presence(
        database, process_id=process_id, most=sessions.limits.of_user, replace=sessions.replace
    )
    upkeep = Upkeep(
        database, log, phases, idle_seconds=settings.idle_seconds, kept=timedelta(days=settings.log_days)
    )
    turns = LobbyTurns()
    seats = LobbySeats(database, log)
    parts = LiveParts(
        database=database,
        clock=clock,
        hub=hub,
        presence=presence,
        batches=batches,
        provisioner=provisioner,
        sessions=sessions,
        beginning=Beginning(database, clock, hub, presence, spectators=sessions.limits.spectators),
        seats=seats,
        chat=_make_chat(provisioner, log, turns),
    )
    return LiveGames(
        clock=clock,
        hub=hub,
        log=log,
        calculator=calculator,
        phases=phases,
        presence=presence,
        driver=driver,
        upkeep=upkeep,
        turns=turns,
        seats=seats,
        batches=batches,
        parts=parts,
    )


def _make_carrier(settings: Settings, database: Database) -> Carrier:
    if settings.redis_url is None:
        return PostgresCarrier(database)
    # Importing the client takes a third of a second.
    from l2p.live.redis_carrier import RedisCarrier  # noqa: PLC0415

    return RedisCarrier(settings.redis_url.get_secret_value())


def _make_chat(provisioner: UserProvisioner, log: LobbyLog, turns: LobbyTurns) -> Chat:
    async def chat(caller: Caller, lobby_id: UUID, message: str) -> None:
        async with turns.turn(lobby_id):
            await provisioner.write(
                caller, lambda db: service.chat(db, lobby_id, message, player_id=caller.id, log=log)
            )

    return chat
