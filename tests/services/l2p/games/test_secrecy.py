"""Until a question closes, nothing that anybody receives depends on its right answer."""

import json
import re
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.services.l2p.games.conftest import Pair
from tests.services.l2p.games.playing import Follower, following, start_game
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint

OPTIONS = ["one", "two", "six"]
RULES = {"starting_ms": 0, "reveal_ms": 0, "time_limit_ms": 120_000}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_VARYING = re.compile(r'("(?:time_taken_ms|username|code|name|etag)": ?)("[^"]*"|\d+)')


def blind(text: str) -> str:
    """The text without ids, times and names, which differ between any two games."""
    return _VARYING.sub(r"\1…", _TIME.sub("time", _ID.sub("id", text)))


class Observed:
    """All that the people around one game receive until its question closes."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, response: httpx.Response) -> None:
        """A response: its status, its body, and its size."""
        self.texts.append(blind(f"{response.status_code} {response.headers.get('etag')} {response.text}"))

    def note_events(self, follower: Follower) -> None:
        """All that a socket received."""
        messages = [follower.welcome, *follower.events]
        told = [message for message in messages if not message["type"].startswith("player.")]
        # How often presence was told depends on the moment, and so does `seq`.
        self.texts += [blind(json.dumps(message | {"seq": None})) for message in told]


async def observe(pair: Pair, mint: TokenMint, *, correct: str) -> Observed:
    """Play one question up to its close, which is not observed."""
    crowd = Crowd(pair[0].client, mint)
    host, player, stranger = crowd.players(3)
    questions = [
        {"question_text": "1 + 1?", "options": OPTIONS, "correct_answer": correct, "explanation": correct}
    ]
    stored = await host.post(
        "/v1/question-sets", {"title": "Sums", "is_public": True, "questions": questions}
    )
    assert stored.status_code == 201, stored.text
    lobby = await host.create(settings=RULES)
    await player.join(lobby)
    observed = Observed()
    async with (
        following(pair[0], lobby, host) as first,
        following(pair[1], lobby, player) as second,
        following(pair[1], lobby, stranger) as third,
    ):
        game = await start_game(host, lobby, questions=questions)
        followers = (first, second, third)
        for follower in followers:
            question = (await follower.wait_for("question.opened"))["data"]["question"]
        accepted = await second.answer(question, "two")
        observed.texts.append(blind(json.dumps(accepted)))
        observed.note(await answer(player, game, question, "one"))
        await look_around(observed, stored.json()["id"], lobby, game, people=(host, player, stranger))
        for follower in followers:
            observed.note_events(follower)
        await host.post(f"/v1/games/{game['id']}/abort")
    return observed


async def answer(player: Player, game: dict[str, Any], question: dict[str, Any], text: str) -> httpx.Response:
    return await player.post(
        f"/v1/games/{game['id']}/answers", {"question_id": question["id"], "answer": text}
    )


async def look_around(
    observed: Observed,
    set_id: str,
    lobby: dict[str, Any],
    game: dict[str, Any],
    *,
    people: tuple[Player, ...],
) -> None:
    """Every read that has to do with the game; the set's own page only for those who do not own it."""
    UUID(set_id)
    for person in people:
        for path in (
            f"/v1/games/{game['id']}",
            f"/v1/games/{game['id']}/questions",
            f"/v1/games/{game['id']}/results",
            f"/v1/lobbies/{lobby['id']}",
        ):
            observed.note(await person.get(path))
        if person is not people[0]:
            observed.note(await person.get(f"/v1/question-sets/{set_id}"))
            observed.note(await person.get(f"/v1/question-sets/{set_id}/export", format="csv"))


@pytest.mark.parametrize("other", ["two", "six"])
async def test_nothing_depends_on_the_right_answer_before_the_close(
    pair: Pair, mint: TokenMint, other: str
) -> None:
    seen = await observe(pair, mint, correct="one")
    assert (await observe(pair, mint, correct=other)).texts == seen.texts
    assert len(seen.texts) > 20
