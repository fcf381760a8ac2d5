"""Until a question closes, nothing that anybody receives depends on its right answer."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import Follower, following, start_game
from tests.services.l2p.live.streaming import Stream, streaming
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint

OPTIONS = ["one", "two", "eleven"]
"""Not all of one length: sizes would tell as well."""
RULES = {"starting_ms": 0, "reveal_ms": 0, "time_limit_ms": 120_000, "speed_bonus": False}
EARLIER = {"question_text": "5 + 6?", "options": OPTIONS, "correct_answer": "eleven"}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_VARYING = re.compile(r'((?:"(?:time_taken_ms|code)" ?: ?|true,))("[^"]*"|\d+)|user-[0-9a-f]+')


def blind(text: str) -> str:
    """The text without ids, times and names, which differ between any two games."""
    return _VARYING.sub(r"\1…", _TIME.sub("time", _ID.sub("id", text)))


class Observed:
    """All that the people around one game receive until its question closes."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, response: httpx.Response) -> None:
        """A response: its status, its body, and which headers it has."""
        headers = sorted(response.headers)
        self.texts.append(
            blind(f"{response.status_code} {headers} {response.headers.get('etag')} {response.text}")
        )

    def note_messages(self, messages: list[dict[str, Any]]) -> None:
        """All that a socket or an event stream received."""
        told = [message for message in messages if not message["type"].startswith("player.")]
        # How often presence was told depends on the moment, and so does `seq`.
        self.texts += [blind(json.dumps(message | {"seq": None})) for message in told]


async def observe(pair: Pair, mint: TokenMint, *, correct: str) -> Observed:
    """Play a question, and the next one up to its close, which is not observed. `correct` is the right answer to that one."""
    owner, host, player, spectator, stranger = Crowd(pair[0].client, mint).players(5)
    asked = {"question_text": "1 + 1?", "options": OPTIONS, "correct_answer": correct, "explanation": correct}
    sums = {"title": f"Sums {host.id}", "is_public": True, "questions": [EARLIER, asked]}
    stored = await owner.post("/v1/question-sets", sums)
    assert stored.status_code == 201, stored.text
    set_id = stored.json()["id"]
    lobby = await host.create(name=f"Sums {host.id}", settings=RULES)
    await player.join(lobby)
    observed = Observed()
    async with (
        following(pair[0], lobby, host) as first,
        following(pair[1], lobby, player) as second,
        following(pair[1], lobby, spectator) as third,
        streaming(pair[0].client, lobby, host) as fourth,
        streaming(pair[1].client, lobby, player) as fifth,
        streaming(pair[0].client, lobby, spectator) as sixth,
    ):
        game = await start_game(host, lobby, questions=None, question_set_id=set_id)
        question = (await second.wait_for("question.opened"))["data"]["question"]
        assert (await second.answer(question, "eleven"))["type"] == "accepted"
        assert (await host.post(f"/v1/games/{game['id']}/close")).status_code == 200
        question = (await second.wait_for("question.opened"))["data"]["question"]
        accepted = await second.answer(question, "two")
        observed.texts.append(blind(json.dumps(accepted)))
        observed.note(await answer(player, game, question, "one"))
        for person in (host, player, spectator, stranger):
            await look_around(observed, person, set_id, lobby, game)
        for follower in (first, second, third):
            observed.note_messages([follower.welcome, *await receive_answers(follower)])
        for stream in (fourth, fifth, sixth):
            observed.note_messages(await receive_answers(stream))
        for person in (host, player, spectator):
            await come_late(observed, pair, lobby, person)
        await host.post(f"/v1/games/{game['id']}/abort")
    await owner.client.delete(f"/v1/question-sets/{set_id}", headers=owner.headers)
    return observed


async def receive_answers(channel: Follower | Stream) -> list[dict[str, Any]]:
    """All messages up to the one that tells of the answer to the second question."""
    messages = [channel.welcome, *channel.events] if isinstance(channel, Follower) else []
    while [message["type"] for message in messages].count("answer.received") < 2:
        messages.append(await channel.receive())
    return messages


async def answer(player: Player, game: dict[str, Any], question: dict[str, Any], text: str) -> httpx.Response:
    return await player.post(
        f"/v1/games/{game['id']}/answers", {"question_id": question["id"], "answer": text}
    )


async def look_around(
    observed: Observed, person: Player, set_id: str, lobby: dict[str, Any], game: dict[str, Any]
) -> None:
    """Every read that has to do with the game or its set."""
    reads: list[tuple[str, dict[str, str]]] = [
        (f"/v1/games/{game['id']}", {}),
        (f"/v1/games/{game['id']}/questions", {}),
        (f"/v1/games/{game['id']}/results", {}),
        (f"/v1/games/{game['id']}/results", {"format": "csv"}),
        (f"/v1/lobbies/{lobby['id']}", {}),
        (f"/v1/lobbies/{lobby['id']}/players", {}),
        (f"/v1/lobbies/by-code/{lobby['code']}", {}),
        ("/v1/lobbies", {"status": "in_game", "q": lobby["name"]}),
        ("/v1/question-sets", {"scope": "public", "q": lobby["name"]}),
        (f"/v1/question-sets/{set_id}", {}),
        (f"/v1/question-sets/{set_id}/export", {"format": "csv"}),
        (f"/v1/question-sets/{set_id}/export", {"format": "json"}),
        (f"/v1/users/{person.id}/stats", {}),
        (f"/v1/users/{person.id}/games", {}),
        ("/v1/leaderboard", {"by": "score", "around": "me"}),
    ]
    for path, query in reads:
        observed.note(await person.get(path, **query))
    assert '"correct_answer"' not in (await person.get(f"/v1/games/{game['id']}")).text
    observed.note(await person.post(f"/v1/question-sets/{set_id}/copy"))
    observed.note(await person.post(f"/v1/games/{game['id']}/verify"))


async def come_late(observed: Observed, pair: Pair, lobby: dict[str, Any], person: Player) -> None:
    """What a socket and event streams begin with now: the state, or the log from its beginning."""
    async with (
        following(pair[1], lobby, person) as follower,
        streaming(pair[0].client, lobby, person) as stream,
        streaming(pair[1].client, lobby, person, after=0) as whole,
    ):
        observed.note_messages([follower.welcome, await stream.receive(), *await receive_answers(whole)])


@pytest.mark.parametrize("other", ["two", "eleven"])
async def test_nothing_depends_on_the_right_answer_before_the_close(
    pair: Pair, mint: TokenMint, other: str
) -> None:
    seen = await observe(pair, mint, correct="one")
    assert (await observe(pair, mint, correct=other)).texts == seen.texts
    assert len(seen.texts) > 100
