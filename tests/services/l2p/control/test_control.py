"""Closing, going on, pausing and aborting: each command once, in its phases, at any process."""

import asyncio
import logging
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from dbcommon.engine import Database
from l2p.clock.clock import DatabaseClock
from l2p.driver.driver import Driver
from l2p.driver.phases import Phases
from tests.libs.dbcommon.pools import until
from tests.services.l2p.following import command, count_events, has_event, read_log, wait_for_phase
from tests.services.l2p.games.playing import QUESTIONS, start_game
from tests.services.l2p.played import WAITS_FOR_US, Played
from tests.services.l2p.players import Crowd, Player
from webcommon.app.service import Service

Connection = asyncpg.Connection

WRONG_PHASE = (409, "/problems/wrong-phase")
OVER = (409, "/problems/game-over")


async def test_a_host_paces_a_game_from_another_process(played: Played, sql: "Connection[Any]") -> None:
    for number, question in enumerate(QUESTIONS):
        state = (
            await wait_for_phase(played.host, played.game, "question")
            if number
            else await played.start(advance="host")
        )
        assert state["question"]["order_index"] == number
        assert (await played.answer(state, str(question["correct_answer"]))).status_code == 202
        assert await command(played.away, played.game, "close") == (200, "reveal")
        shown = (await played.host.get(f"/v1/games/{played.game['id']}")).json()
        assert (shown["phase_ends_at"], shown["question"]) == (None, None)
        expected = (200, "finished" if number == len(QUESTIONS) - 1 else "question")
        assert await command(played.away, played.game, "next") == expected
    closed = [data for kind, data in await read_log(sql, played.lobby) if kind == "question.closed"]
    assert [data["reason"] for data in closed] == ["host", "host"]
    assert (await played.host.look_at(played.lobby))["status"] == "waiting"


async def test_next_ends_a_reveal_that_has_time_left(played: Played) -> None:
    await played.start()
    assert await command(played.host, played.game, "close") == (200, "reveal")
    assert await command(played.away, played.game, "next") == (200, "question")


async def test_the_driver_ends_a_phase_that_began_at_another_process(played: Played) -> None:
    await played.start(reveal_ms=0)
    assert await command(played.away, played.game, "close") == (200, "reveal")
    state = await wait_for_phase(played.host, played.game, "question")
    assert state["question"]["order_index"] == 1


@pytest.mark.parametrize("name", ["close", "next", "pause", "resume", "abort"])
async def test_ten_commands_at_once_are_one(played: Played, sql: "Connection[Any]", name: str) -> None:
    await played.start(advance="host")
    first = {"next": "close", "resume": "pause"}.get(name)
    if first is not None:
        await command(played.host, played.game, first)
    before = len(await read_log(sql, played.lobby))
    senders = (played.host, played.away)
    results = await asyncio.gather(*(command(senders[turn % 2], played.game, name) for turn in range(10)))
    refusal = OVER if name == "abort" else WRONG_PHASE
    assert Counter(status for status, _ in results) == {200: 1, 409: 9}
    assert {result for result in results if result[0] == 409} == {refusal}
    assert len(await read_log(sql, played.lobby)) == before + 1
    if name == "next":
        assert (await wait_for_phase(played.host, played.game, "question"))["current_question"] == 1


FITTING = {
    "question": {"close", "pause", "abort"},
    "reveal": {"next", "pause", "abort"},
    "paused": {"resume", "abort"},
    "aborted": set[str](),
}


@pytest.mark.parametrize("phase", FITTING)
async def test_commands_of_another_phase_change_nothing(
    played: Played, sql: "Connection[Any]", phase: str
) -> None:
    await played.start()
    way = {"question": None, "reveal": "close", "paused": "pause", "aborted": "abort"}[phase]
    if way is not None:
        assert await command(played.host, played.game, way) == (200, phase)
    before = await read_log(sql, played.lobby)
    for name in {"close", "next", "pause", "resume", "abort"} - FITTING[phase]:
        assert await command(played.host, played.game, name) == (OVER if phase == "aborted" else WRONG_PHASE)
    assert await read_log(sql, played.lobby) == before


async def test_only_the_host_commands(played: Played, crowd: Crowd) -> None:
    await played.start()
    for name in ("close", "next", "pause", "resume", "abort"):
        assert await command(played.guest, played.game, name) == (403, "/problems/not-the-host")
        stranger = crowd.player()
        assert await command(stranger, played.game, name) == (403, "/problems/not-the-host")
        unknown = {"id": "00000000-0000-4000-8000-000000000000"}
        assert await command(stranger, unknown, name) == (404, "/problems/not-found")


async def test_a_stranger_does_not_learn_of_a_private_lobbys_game(played: Played, crowd: Crowd) -> None:
    await played.start(is_private=True)
    assert await command(crowd.player(), played.game, "abort") == (404, "/problems/not-found")
    assert await command(played.guest, played.game, "abort") == (403, "/problems/not-the-host")


async def test_a_pause_keeps_the_time_that_is_left(played: Played, sql: "Connection[Any]") -> None:
    state = await played.start(time_limit_ms=5_000)
    assert await command(played.away, played.game, "pause") == (200, "paused")
    refused = await played.answer(state, "4")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/question-not-open")
    # As if the pause had begun an hour ago: the driver does not close the question meanwhile.
    hour = timedelta(hours=1)
    await sql.execute(
        "UPDATE games SET paused_at = paused_at - $2::interval, phase_ends_at = phase_ends_at - $2::interval"
        " WHERE id = $1",
        played.game["id"],
        hour,
    )
    await sql.execute(
        "UPDATE questions SET opens_at = opens_at - $2::interval, closes_at = closes_at - $2::interval"
        " WHERE game_id = $1",
        played.game["id"],
        hour,
    )
    assert await command(played.away, played.game, "resume") == (200, "question")
    log = dict(await read_log(sql, played.lobby))
    paused, resumed = log["game.paused"], log["game.resumed"]
    assert (paused["reason"], paused["paused_status"]) == ("host", "question")
    assert resumed["question_id"] == state["question"]["id"]
    assert resumed["paused_ms"] > 3_600_000
    resumed_at = await sql.fetchval(
        "SELECT at FROM lobby_events WHERE lobby_id = $1 AND type = 'game.resumed'", played.lobby["id"]
    )
    left = datetime.fromisoformat(resumed["closes_at"]) - resumed_at
    assert abs(left - timedelta(milliseconds=paused["remaining_ms"])) < timedelta(milliseconds=100)
    after = (await played.host.get(f"/v1/games/{played.game['id']}")).json()
    assert after["question"]["closes_at"] == after["phase_ends_at"] == resumed["closes_at"]
    accepted = await played.answer(state, "4")
    assert accepted.status_code == 202
    # The hour of the pause does not count.
    assert accepted.json()["time_taken_ms"] <= 5_000
    assert (await wait_for_phase(played.host, played.game, "reveal"))["scores"][0]["score"] > 0


async def test_a_paused_reveal_goes_on_as_a_reveal(played: Played) -> None:
    await played.start(advance="host")
    for name, phase in (("close", "reveal"), ("pause", "paused"), ("resume", "reveal"), ("next", "question")):
        assert await command(played.away, played.game, name) == (200, phase)


async def test_the_time_of_an_open_question_changes_by_a_pause_alone(
    played: Played, crowd: Crowd, sql: "Connection[Any]"
) -> None:
    state = await played.start()
    await played.answer(state, "3")
    late = crowd.player()
    await late.join(played.lobby)
    await played.guest.leave(played.lobby)
    await played.guest.join(played.lobby)
    seen = (await late.get(f"/v1/games/{played.game['id']}")).json()
    assert seen["question"] == state["question"]


async def test_an_aborted_game_has_no_ranks_and_opens_its_lobby(
    played: Played, sql: "Connection[Any]"
) -> None:
    state = await played.start()
    await played.answer(state, "4")
    await command(played.host, played.game, "close")
    assert await command(played.away, played.game, "abort") == (200, "aborted")
    kind, data = (await read_log(sql, played.lobby))[-1]
    assert (kind, data) == ("game.aborted", {"game_id": played.game["id"], "reason": "host"})
    ranks = await sql.fetch("SELECT rank FROM game_participants WHERE game_id = $1", played.game["id"])
    assert [row["rank"] for row in ranks] == [None, None]
    lobby = await played.host.look_at(played.lobby)
    assert lobby["status"] == "waiting"
    assert {player["is_ready"] for player in lobby["players"]} == {False}
    assert {player["rating"] for player in lobby["players"]} == {1500}
    # Its driver leaves the next game alone, and the old one too.
    again = await start_game(played.host, played.lobby)
    assert (await wait_for_phase(played.host, again, "question"))["id"] != played.game["id"]
    assert await count_events(sql, played.lobby, "question.opened") == 2


async def test_the_last_one_out_aborts_the_game(played: Played, sql: "Connection[Any]") -> None:
    await played.start()
    for player in (played.host, played.guest):
        assert (await player.leave(played.lobby)).status_code == 204
    assert [kind for kind, _ in await read_log(sql, played.lobby)][-3:] == [
        "player.left",
        "game.aborted",
        "lobby.closed",
    ]
    assert (await played.guest.get(f"/v1/games/{played.game['id']}")).json()["status"] == "aborted"


async def test_who_left_answers_no_more_and_comes_back_with_the_score(played: Played) -> None:
    state = await played.start(allow_late_join=False, advance="host")
    assert (await played.answer(state, "4")).status_code == 202
    await command(played.host, played.game, "close")
    await command(played.host, played.game, "next")
    state = await wait_for_phase(played.host, played.game, "question")
    await played.guest.leave(played.lobby)
    refused = await played.answer(state, "Jupiter")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-a-player")
    assert (await played.guest.join(played.lobby)).status_code == 200
    assert (await played.answer(state, "Jupiter")).status_code == 202
    await command(played.host, played.game, "close")
    results = (await played.host.get(f"/v1/games/{played.game['id']}/results")).json()
    assert [row["correct_answers"] for row in results["items"]] == [2, 0]
    assert results["items"][0]["user_id"] == str(played.guest.id)


async def test_an_answer_on_its_way_when_the_game_is_paused_counts(
    played: Played, sql: "Connection[Any]"
) -> None:
    state = await played.start()
    async with sql.transaction():
        await sql.execute("SELECT FROM games WHERE id = $1 FOR UPDATE", played.game["id"])
        sent = asyncio.create_task(played.answer(state, "4"))
        await until(lambda: sql.fetchval(WAITS_FOR_US))
        await sql.execute(
            "UPDATE games SET paused_status = status, status = 'paused', paused_at = clock_timestamp() WHERE id = $1",
            played.game["id"],
        )
    assert (await sent).status_code == 202


async def test_a_driver_that_gets_no_notices_hears_of_commands_and_answers(
    played: Played, app: Service, sql: "Connection[Any]"
) -> None:
    state = await played.start(reveal_ms=0)
    parts = app.component(Database), app.component(DatabaseClock), app.component(Phases)
    deaf = Driver(*parts, process_id=uuid4())
    take = (
        "UPDATE games SET lease_holder = $2, lease_until = clock_timestamp() + interval '3 s' WHERE id = $1"
    )
    await sql.execute(take, played.game["id"], deaf.process_id)
    until_when = "SELECT lease_until FROM games WHERE id = $1 AND lease_until > $2"
    async with deaf.running():
        deaf.take(UUID(played.game["id"]), UUID(played.lobby["id"]))
        taken = await sql.fetchval("SELECT lease_until FROM games WHERE id = $1", played.game["id"])
        for _ in range(2):  # its first step is taken by then
            await until(partial(sql.fetchval, until_when, played.game["id"], taken))
            taken = await sql.fetchval("SELECT lease_until FROM games WHERE id = $1", played.game["id"])
        await played.answer(state, "4")
        await until(partial(has_event, sql, played.lobby, "answer.received"))
        assert await command(played.away, played.game, "close") == (200, "reveal")
        assert (await wait_for_phase(played.host, played.game, "question"))["current_question"] == 1
        await command(played.host, played.game, "abort")


async def set_sigma(sql: "Connection[Any]", player: Player, value: float | None) -> None:
    await sql.execute("UPDATE users SET rating_sigma = $2 WHERE id = $1", player.id, value)


async def test_a_game_whose_ratings_never_stand_still_is_finished_later(
    played: Played, sql: "Connection[Any]"
) -> None:
    state = await played.start(advance="host", question_count=1)
    for player in (played.host, played.guest):
        assert (await played.answer(state, "4", player=player)).status_code == 202
    await wait_for_phase(played.host, played.game, "reveal")
    # No number is equal to NaN: this rating seems to be another one at each look.
    await set_sigma(sql, played.guest, float("nan"))
    busy = await played.host.post(f"/v1/games/{played.game['id']}/next")
    assert (busy.status_code, busy.json()["type"]) == (503, "/problems/ratings-busy")
    assert busy.headers["Retry-After"] == "2"
    assert (await wait_for_phase(played.host, played.game, "reveal"))["current_question"] == 0
    await set_sigma(sql, played.guest, None)
    assert await command(played.host, played.game, "next") == (200, "finished")
    changes = "SELECT count(*) FROM rating_changes JOIN game_participants AS part ON part.id = participant_id"
    assert await sql.fetchval(f"{changes} WHERE part.game_id = $1", played.game["id"]) == 2


async def test_a_driver_tries_again_to_finish_such_a_game(
    played: Played, sql: "Connection[Any]", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "l2p.driver.driver")
    state = await played.start(reveal_ms=0, question_count=1)
    await set_sigma(sql, played.guest, float("nan"))
    for player in (played.host, played.guest):
        assert (await played.answer(state, "4", player=player)).status_code == 202

    async def has_waited() -> bool:
        return f"game {played.game['id']} has to wait" in caplog.text

    await until(has_waited)
    await set_sigma(sql, played.guest, None)
    await wait_for_phase(played.host, played.game, "finished")
    assert "failed" not in caplog.text
