"""Answers: the first stands, in time is what arrived by the end, and refusals come in one order."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from dbcommon.engine import Database
from l2p.answers.repository import Submission, store
from l2p.driver.phases import CLOSE_DELAY
from tests.libs.dbcommon.pools import until
from tests.services.l2p.following import command, read_log, wait_for_phase
from tests.services.l2p.played import WAITS_FOR_US, Played
from tests.services.l2p.players import Crowd
from webcommon.app.service import Service

Connection = asyncpg.Connection
MILLISECOND = timedelta(milliseconds=1)


def told(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json().get("type", "").removeprefix("/problems/")


async def read_answers(sql: "Connection[Any]", state: dict[str, Any]) -> list[str]:
    rows = await sql.fetch("SELECT answer FROM answers WHERE question_id = $1", state["question"]["id"])
    return [row["answer"] for row in rows]


async def test_the_first_answer_stands_and_is_confirmed_as_often_as_it_is_sent(
    played: Played, sql: "Connection[Any]"
) -> None:
    state = await played.start()
    first = await played.answer(state, "3")
    assert first.status_code == 202
    again, other = await played.answer(state, "3"), await played.answer(state, "4")
    assert (again.status_code, again.json()) == (202, first.json())
    assert told(other) == (409, "already-answered")
    # Nothing about right or wrong.
    members = {"type", "title", "status", "detail", "instance", "request_id", "answer"}
    assert (set(other.json()), other.json()["answer"]) == (members, "3")
    assert await command(played.host, played.game, "close") == (200, "reveal")
    late = await played.answer(state, "3")
    assert (late.status_code, late.json()) == (202, first.json())
    assert told(await played.answer(state, "4")) == (409, "question-closed")
    assert await read_answers(sql, state) == ["3"]


async def test_refusals_come_in_one_order(played: Played, crowd: Crowd, sql: "Connection[Any]") -> None:
    state = await played.start(read_ms=10_000)
    unknown = {"question": {"id": str(uuid4())}}
    assert told(await played.answer(unknown, "x", player=crowd.player())) == (403, "not-a-player")
    assert told(await played.answer(unknown, "x")) == (404, "unknown-question")
    assert told(await played.answer(state, "x")) == (409, "question-not-open")
    await sql.execute(
        "UPDATE questions SET opens_at = opens_at - interval '10 s' WHERE id = $1", state["question"]["id"]
    )
    assert told(await played.answer(state, "x")) == (422, "not-an-option")
    await command(played.host, played.game, "close")
    assert told(await played.answer(state, "x")) == (409, "question-closed")
    assert await read_answers(sql, state) == []


async def test_nobody_answers_for_another(played: Played, sql: "Connection[Any]") -> None:
    state = await played.start()
    for name in ("user_id", "participant_id"):
        body = {"question_id": state["question"]["id"], "answer": "4", name: str(played.host.id)}
        refused = await played.guest.post(f"/v1/games/{played.game['id']}/answers", body)
        assert refused.status_code == 422
    assert await read_answers(sql, state) == []


@pytest.mark.parametrize(
    ("end", "milliseconds", "verdict", "time_taken_ms"),
    [
        ("opens_at", -1, "not open", None),
        ("opens_at", 0, "accepted", 0),
        ("opens_at", 1, "accepted", 1),
        ("closes_at", -1, "accepted", 119_999),
        ("closes_at", 0, "accepted", 120_000),
        ("closes_at", 1, "closed", None),
    ],
)
async def test_in_time_is_what_arrives_from_the_opening_to_the_end(
    played: Played, app: Service, end: str, milliseconds: int, verdict: str, time_taken_ms: int | None
) -> None:
    state = await played.start()
    submission = Submission(
        user_id=played.guest.id,
        question_id=UUID(state["question"]["id"]),
        answer="4",
        arrived_at=datetime.fromisoformat(state["question"][end]) + milliseconds * MILLISECOND,
        lag_ms=0,
    )
    (record,) = await store(app.component(Database), UUID(played.game["id"]), [submission])
    assert (record["verdict"], record["time_taken_ms"]) == (verdict, time_taken_ms)


async def end_in(sql: "Connection[Any]", played: Played, seconds: int) -> None:
    """Let the time of the open question end so many seconds after now."""
    assert await command(played.host, played.game, "pause") == (200, "paused")
    left = timedelta(seconds=seconds)
    moved = "UPDATE games SET phase_ends_at = paused_at + $2 WHERE id = $1 RETURNING phase_ends_at"
    ends = await sql.fetchval(moved, played.game["id"], left)
    await sql.execute(
        "UPDATE questions SET closes_at = $2 WHERE game_id = $1 AND order_index = 0", played.game["id"], ends
    )
    assert await command(played.host, played.game, "resume") == (200, "question")


async def test_an_answer_in_time_that_a_lock_holds_up_past_the_end_counts(
    played: Played, sql: "Connection[Any]"
) -> None:
    state = await played.start()
    await end_in(sql, played, 2)
    is_over = "SELECT clock_timestamp() > closes_at + interval '0.5 s' FROM questions WHERE id = $1"
    async with sql.transaction():
        await sql.execute("SELECT FROM games WHERE id = $1 FOR UPDATE", played.game["id"])
        sent = asyncio.create_task(played.answer(state, "4"))
        await until(lambda: sql.fetchval(WAITS_FOR_US))
        await until(partial(sql.fetchval, is_over, state["question"]["id"]))
    assert (await sent).status_code == 202
    await wait_for_phase(played.host, played.game, "reveal")
    (closed,) = [data for kind, data in await read_log(sql, played.lobby) if kind == "question.closed"]
    assert closed["reason"] == "time"
    assert {row["option"]: row["count"] for row in closed["spread"]} == {"3": 0, "4": 1, "5": 0}
    assert [row["points"] > 0 for row in closed["scores"]] == [True, False]
    # Others may be on their way as well.
    waited = "SELECT closed_at - closes_at FROM questions WHERE id = $1"
    assert await sql.fetchval(waited, state["question"]["id"]) >= CLOSE_DELAY
