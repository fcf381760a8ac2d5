"""A process whose system clock is an hour off drives games as any other: all times are the database's."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import asyncpg
import pytest

from dbcommon.settings import DatabaseSettings
from l2p.live.limits import MESSAGES_PER_SECOND
from tests.libs.dbcommon.pools import until
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import replica
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import QUESTIONS, QUICK, Follower, following, start_game
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint
from tests.wrong_clocks import needs_libfaketime, wrong_clock

pytestmark = [pytest.mark.long, needs_libfaketime]

AGREEMENT = timedelta(milliseconds=50)
HOUR = 3600
READINGS = 5
"""Each is a message; a socket may send ten a second."""
AROUND = timedelta(seconds=1)
"""How far a test may be from a process that takes an answer: far less than an hour."""


@dataclass(frozen=True)
class Offset:
    """A clock was read between two readings of the test's own: by how much it is ahead, at least and at most."""

    least: timedelta
    most: timedelta

    def is_near(self, other: "Offset") -> bool:
        """Whether the two clocks may differ by `AGREEMENT` at most."""
        return self.least - other.most <= AGREEMENT and other.least - self.most <= AGREEMENT


async def read_offset(read: Callable[[], Awaitable[datetime]]) -> Offset:
    """The narrowest of a few readings."""
    offsets = []
    for _ in range(READINGS):
        before = time.monotonic()
        moment = await read()
        after = time.monotonic()
        epoch = datetime.fromtimestamp(0, moment.tzinfo)
        offsets.append(
            Offset(moment - epoch - timedelta(seconds=after), moment - epoch - timedelta(seconds=before))
        )
    return min(offsets, key=lambda offset: offset.most - offset.least)


def ask_process(follower: Follower) -> Callable[[], Awaitable[datetime]]:
    """What a process says of the time over a socket."""

    async def read() -> datetime:
        await follower.socket.send({"type": "ping"})
        while (message := await follower.receive())["type"] != "pong":
            pass
        return datetime.fromisoformat(message["data"]["server_time"])

    return read


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_game_is_right_where_the_system_clock_is_an_hour_off(
    pair: Pair,
    pair_database: DatabaseSettings,
    pair_sql: "asyncpg.Connection[Any]",
    key_server: KeyServer,
    mint: TokenMint,
    hours: int,
) -> None:
    now = int(time.time())
    lasting: dict[str, Any] = {"iat": now - 2 * HOUR, "nbf": now - 2 * HOUR, "exp": now + 2 * HOUR}
    told = {"AUTH_JWKS_URL": key_server.url, **wrong_clock(hours)}
    async with replica("l2p", pair_database, **told) as wrong:
        date = (await wrong.client.get("/healthz")).headers["Date"]
        assert abs(parsedate_to_datetime(date).timestamp() - now - hours * HOUR) < HOUR / 2
        host, guest = (Crowd(process.client, mint).player(**lasting) for process in (wrong, pair[0]))
        for lifetime, status in ((lasting, 200), ({}, 401)):
            visitor = Crowd(wrong.client, mint).player(**lifetime)
            assert (await visitor.get("/v1/users/me")).status_code == status
        lobby = await host.create(settings=QUICK)
        await guest.join(lobby)
        async with following(wrong, lobby, host) as there, following(pair[0], lobby, guest) as here:

            async def agree() -> bool:
                async def ask_database() -> datetime:
                    moment: datetime = await pair_sql.fetchval("SELECT clock_timestamp()")
                    return moment

                clocks = [
                    await read_offset(read) for read in (ask_process(there), ask_process(here), ask_database)
                ]
                if all(one.is_near(other) for one in clocks for other in clocks):
                    return True
                await asyncio.sleep(READINGS / MESSAGES_PER_SECOND)
                return False

            await until(agree)
            game = await start_game(host, lobby)
            for _ in QUESTIONS:
                await answer_both(game, host, guest, there, here, pair_sql)
            await there.wait_for("game.finished")


async def answer_both(
    game: dict[str, Any],
    host: Player,
    guest: Player,
    there: Follower,
    here: Follower,
    sql: "asyncpg.Connection[Any]",
) -> None:
    """Both processes have the question with equal times, and time its answers alike."""
    opened = [await follower.wait_for("question.opened") for follower in (there, here)]
    assert opened[0] == opened[1]
    question = opened[0]["data"]["question"]
    for player in (host, guest):
        state = (await player.get(f"/v1/games/{game['id']}")).json()
        assert {name: state["question"][name] for name in ("opens_at", "closes_at")} == {
            name: question[name] for name in ("opens_at", "closes_at")
        }
    opens_at = datetime.fromisoformat(question["opens_at"])
    for player in (host, guest):
        before = await sql.fetchval("SELECT clock_timestamp()") - opens_at
        body = {"question_id": question["id"], "answer": question["options"][0]}
        taken = await player.post(f"/v1/games/{game['id']}/answers", body)
        after = await sql.fetchval("SELECT clock_timestamp()") - opens_at
        assert taken.status_code == 202, taken.text
        assert before - AROUND <= timedelta(milliseconds=taken.json()["time_taken_ms"]) <= after + AROUND
