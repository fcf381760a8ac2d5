"""Games that are over in an instant: the driver's own steps, with answers written by SQL instead of waited for."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.settings import DatabaseSettings
from l2p.driver import repository
from l2p.driver.phases import Lease, Phases, Position
from l2p.lobbies.schemas import LobbySettings
from l2p.log.log import LobbyLog
from l2p.ratings.calculator import RatingCalculator
from l2p.ratings.service import Ratings

RIGHT, WRONG = "4", "5"


@dataclass(frozen=True)
class FastQuestion:
    """A question, and for each player who answers it the answer and its time in milliseconds."""

    answers: Mapping[UUID, tuple[str, int]]
    points: int = 1000
    time_limit_ms: int = 20_000


@dataclass(frozen=True)
class FastGames:
    """Plays games on a database."""

    database: Database
    sql: "asyncpg.Connection[Any]"
    phases: Phases
    holder: UUID = field(default_factory=new_id)

    async def add_player(self, **columns: Any) -> UUID:
        """A new player; further columns of the row may be given."""
        player = new_id()
        names, places = _list_columns({"id": player, "username": player.hex, **columns})
        await self.sql.execute(
            f"INSERT INTO users ({names}) VALUES ({places})",  # noqa: S608 - names of the tests
            player,
            player.hex,
            *columns.values(),
        )
        return player

    async def play(
        self,
        players: Sequence[UUID],
        questions: Sequence[FastQuestion],
        *,
        late: Mapping[UUID, int] | None = None,
        **settings: Any,
    ) -> UUID:
        """A finished game; gives its id. `late` players come with the question of this number."""
        lease = await self.play_to_the_end(players, questions, late=late, **settings)
        assert (await self.finish(lease)).is_over
        return lease.game_id

    async def play_to_the_end(
        self,
        players: Sequence[UUID],
        questions: Sequence[FastQuestion],
        *,
        late: Mapping[UUID, int] | None = None,
        **settings: Any,
    ) -> Lease:
        """A game of which nothing is left but to finish it."""
        lease = await self._start({"reveal_ms": 0} | settings)
        participants = {
            player: await self.sql.fetchval(
                "INSERT INTO game_participants (game_id, user_id, first_question) VALUES ($1, $2, $3) RETURNING id",
                lease.game_id,
                player,
                (late or {}).get(player, 0),
            )
            for player in players
        }
        for index, question in enumerate(questions):
            await self._add_question(lease.game_id, index, question)
        for index, question in enumerate(questions):
            await self._play_question(lease, index, question, participants)
        return lease

    async def finish(self, lease: Lease) -> Position:
        """The driver's last step."""
        return await self.phases.step(lease)

    async def _start(self, settings: dict[str, Any]) -> Lease:
        lobby_id, game_id = new_id(), new_id()
        rules = LobbySettings(**settings).model_dump_json()
        await self.sql.execute(
            "INSERT INTO lobbies (id, name, status) VALUES ($1, 'Fast', 'in_game')", lobby_id
        )
        await self.sql.execute(
            "INSERT INTO games (id, lobby_id, settings, lease_holder, lease_epoch, lease_until)"
            " VALUES ($1, $2, $3, $4, 1, now() + interval '1 hour')",
            game_id,
            lobby_id,
            rules,
            self.holder,
        )
        return Lease(game_id=game_id, lobby_id=lobby_id, epoch=1, holder=self.holder)

    async def _add_question(self, game_id: UUID, index: int, question: FastQuestion) -> None:
        await self.sql.execute(
            "INSERT INTO questions"
            " (game_id, question_text, options, correct_answer, order_index, points, time_limit_ms)"
            " VALUES ($1, '2 + 2?', jsonb_build_array($2::text, $3::text), $2, $4, $5, $6)",
            game_id,
            RIGHT,
            WRONG,
            index,
            question.points,
            question.time_limit_ms,
        )

    async def _play_question(
        self, lease: Lease, index: int, question: FastQuestion, participants: Mapping[UUID, UUID]
    ) -> None:
        async with self.database.transaction() as db:
            opened = await repository.open_question(db, lease.game_id, order_index=index, read_ms=0)
        rows = [
            (participants[player], opened["id"], answer, answer == RIGHT, milliseconds)
            for player, (answer, milliseconds) in question.answers.items()
        ]
        await self.sql.executemany(
            "INSERT INTO answers (participant_id, question_id, answer, is_correct, time_taken_ms)"
            " VALUES ($1, $2, $3, $4, $5)",
            rows,
        )
        async with self.database.transaction() as db:
            game = await repository.lock_game(db, lease.game_id, epoch=lease.epoch, holder=lease.holder)
            assert game is not None
            await repository.close_question(db, game)


def _list_columns(columns: Mapping[str, Any]) -> tuple[str, str]:
    return ", ".join(columns), ", ".join(f"${number}" for number, _ in enumerate(columns, start=1))


def make_phases(database: Database, *, log: LobbyLog | None = None) -> Phases:
    """The steps of a driver whose events nobody hears."""
    return Phases(database, log or LobbyLog(lambda _lobby, _seq: None), Ratings(database, RatingCalculator()))


@asynccontextmanager
async def fast_games_on(
    settings: DatabaseSettings, sql: "asyncpg.Connection[Any]"
) -> AsyncIterator[FastGames]:
    """Games on this database while the block runs."""
    database = Database(settings, application_name="tests")
    async with database.running():
        yield FastGames(database, sql, make_phases(database))
