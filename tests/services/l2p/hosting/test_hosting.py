"""Kicking, handing over, changing and closing a lobby; who may see and join one."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.services.l2p.following import command, count_events, read_log, wait_for_phase
from tests.services.l2p.games.playing import start_game
from tests.services.l2p.players import Crowd, Player

Connection = asyncpg.Connection

SLOW = {"starting_ms": 0, "time_limit_ms": 120_000, "reveal_ms": 60_000}
Told = tuple[int, str]


def told(response: httpx.Response) -> Told:
    """A response's status, and the type of its problem."""
    return response.status_code, response.json()["type"] if response.content else ""


async def host_command(player: Player, lobby: dict[str, Any], name: str, **body: Any) -> Told:
    """`kick`, `unban` or `transfer`."""
    return told(await player.post(f"/v1/lobbies/{lobby['id']}/{name}", body))


async def change(player: Player, lobby: dict[str, Any], **body: Any) -> httpx.Response:
    return await player.client.patch(f"/v1/lobbies/{lobby['id']}", json=body, headers=player.headers)


async def close(player: Player, lobby: dict[str, Any]) -> Told:
    return told(await player.client.delete(f"/v1/lobbies/{lobby['id']}", headers=player.headers))


async def names(player: Player, lobby: dict[str, Any]) -> list[str]:
    """The ids of the players in the lobby."""
    return [seat["user_id"] for seat in (await player.look_at(lobby))["players"]]


DONE = (204, "")
NOT_THE_HOST = (403, "/problems/not-the-host")


async def test_a_kicked_player_is_banned_until_the_host_says_otherwise(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await guest.join(lobby)
    assert await host_command(host, lobby, "kick", user_id=str(guest.id)) == DONE
    assert told(await guest.join(lobby)) == (403, "/problems/banned")
    assert await names(host, lobby) == [str(host.id)]
    assert (await read_log(sql, lobby))[-1] == (
        "player.left",
        {"user_id": str(guest.id), "reason": "kicked", "banned": True},
    )
    assert await host_command(host, lobby, "unban", user_id=str(guest.id)) == DONE
    assert (await guest.join(lobby)).status_code == 200


async def test_kicking_ten_times_at_once_is_kicking_once(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    host, guest = crowd.players(2)
    away = Player(client=replica, id=host.id, headers=host.headers)
    lobby = await host.create()
    await guest.join(lobby)
    kicks = (host_command((host, away)[turn % 2], lobby, "kick", user_id=str(guest.id)) for turn in range(10))
    assert set(await asyncio.gather(*kicks)) == {DONE}
    assert await count_events(sql, lobby, "player.left") == 1


async def test_fifty_who_join_while_they_are_kicked_are_in_or_banned(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await guest.join(lobby)
    there = Player(client=replica, id=guest.id, headers=guest.headers)
    await asyncio.gather(
        host_command(host, lobby, "kick", user_id=str(guest.id)),
        *((guest, there)[turn % 2].join(lobby) for turn in range(50)),
    )
    assert await names(host, lobby) == [str(host.id)]
    assert told(await guest.join(lobby)) == (403, "/problems/banned")


async def test_without_a_ban_the_kicked_come_back_with_their_score(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings=SLOW | {"allow_late_join": False})
    await guest.join(lobby)
    game = await start_game(host, lobby)
    state = await wait_for_phase(host, game, "question")
    path = f"/v1/games/{game['id']}/answers"
    body = {"question_id": state["question"]["id"], "answer": "4"}
    assert (await guest.post(path, body)).status_code == 202
    await command(host, game, "close")
    assert await host_command(host, lobby, "kick", user_id=str(guest.id), ban=False) == DONE
    score = (await host.get(f"/v1/games/{game['id']}")).json()["scores"][0]
    assert score["user_id"] == str(guest.id)
    assert score["score"] > 0
    assert (await guest.join(lobby)).status_code == 200
    assert (await guest.get(f"/v1/games/{game['id']}")).json()["you"]["score"] == score["score"]


async def test_a_kicked_player_cannot_answer(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings=SLOW)
    await guest.join(lobby)
    game = await start_game(host, lobby)
    state = await wait_for_phase(host, game, "question")
    await host_command(host, lobby, "kick", user_id=str(guest.id))
    body = {"question_id": state["question"]["id"], "answer": "4"}
    assert told(await guest.post(f"/v1/games/{game['id']}/answers", body)) == (403, "/problems/not-a-player")


async def test_whom_the_host_cannot_kick(crowd: Crowd) -> None:
    host, stranger = crowd.players(2)
    lobby = await host.create()
    assert await host_command(host, lobby, "kick", user_id=str(host.id)) == (
        409,
        "/problems/cannot-kick-host",
    )
    for nobody in (stranger.id, uuid4()):
        assert await host_command(host, lobby, "kick", user_id=str(nobody)) == (404, "/problems/not-found")


async def test_commands_on_a_lobby_are_the_hosts(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest, stranger = crowd.players(3)
    lobby = await host.create(settings={"is_private": True})
    await guest.join(lobby, code=lobby["code"])
    before = await read_log(sql, lobby)
    for player, refusal in ((guest, NOT_THE_HOST), (stranger, (404, "/problems/not-found"))):
        for name in ("kick", "unban", "transfer"):
            assert await host_command(player, lobby, name, user_id=str(guest.id)) == refusal
        assert told(await change(player, lobby, name="Mine")) == refusal
        assert await close(player, lobby) == refusal
    assert await read_log(sql, lobby) == before


async def test_a_lobby_is_handed_over_to_one_of_its_players(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest, stranger = crowd.players(3)
    lobby = await host.create()
    await guest.join(lobby)
    assert await host_command(host, lobby, "transfer", user_id=str(stranger.id)) == (
        404,
        "/problems/not-found",
    )
    assert await host_command(host, lobby, "transfer", user_id=str(host.id)) == DONE
    results = await asyncio.gather(
        *(host_command(host, lobby, "transfer", user_id=str(guest.id)) for _ in range(10))
    )
    assert Counter(results) == {DONE: 1, NOT_THE_HOST: 9}
    assert await count_events(sql, lobby, "host.changed") == 1
    assert (await host.look_at(lobby))["host_id"] == str(guest.id)
    assert await host_command(guest, lobby, "kick", user_id=str(host.id)) == DONE


async def test_a_change_of_the_lobby_makes_nobody_ready(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await guest.join(lobby)
    for player in (host, guest):
        await player.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": True})
    answer = await change(host, lobby, max_players=2, settings={"reveal_ms": 1_000, "locked": True})
    assert answer.status_code == 200
    changed = answer.json()
    assert changed == await host.look_at(lobby)
    assert changed["settings"] == lobby["settings"] | {"reveal_ms": 1_000, "locked": True}
    assert (changed["name"], changed["max_players"]) == (lobby["name"], 2)
    assert [player["is_ready"] for player in changed["players"]] == [False, False]
    kind, data = (await read_log(sql, lobby))[-1]
    assert (kind, set(data)) == ("lobby.updated", {"name", "max_players", "settings"})
    assert data["settings"] == changed["settings"]


async def test_a_lobby_has_never_fewer_seats_than_players(crowd: Crowd, replica: httpx.AsyncClient) -> None:
    host = crowd.player()
    lobby = await host.create(max_players=8)
    guests = [crowd.player(client=(crowd.client, replica)[turn % 2]) for turn in range(12)]
    shrinks, *_ = await asyncio.gather(
        change(host, lobby, max_players=4), *(guest.join(lobby) for guest in guests)
    )
    taken = (await host.look_at(lobby))["player_count"]
    assert taken == (4 if shrinks.status_code == 200 else 8)
    if taken == 4:
        assert told(await change(host, lobby, max_players=3)) == (409, "/problems/seats-taken")
    else:
        assert told(shrinks) == (409, "/problems/seats-taken")


@pytest.mark.parametrize(
    "body",
    [
        {"name": None},
        {"name": "  "},
        {"max_players": 0},
        {"max_players": "4"},
        {"settings": {"unknown": True}},
        {"settings": {"locked": "yes"}},
        {"status": "closed"},
        {"settings": {"question_set_id": str(uuid4())}},
    ],
)
async def test_a_change_that_is_not_valid_is_refused(crowd: Crowd, body: dict[str, Any]) -> None:
    host = crowd.player()
    lobby = await host.create()
    assert (await change(host, lobby, **body)).status_code == 422
    assert await host.look_at(lobby) == lobby


async def test_while_a_game_runs_only_the_name_changes(crowd: Crowd) -> None:
    host = crowd.player()
    lobby = await host.create(settings=SLOW)
    game = await start_game(host, lobby)
    for body in ({"max_players": 20}, {"name": "New", "settings": {"locked": True}}):
        assert told(await change(host, lobby, **body)) == (409, "/problems/game-under-way")
    assert (await change(host, lobby, name="New")).json()["name"] == "New"
    await command(host, game, "abort")
    assert (await change(host, lobby, max_players=20)).status_code == 200


async def test_a_locked_lobby_lets_nobody_in_and_a_silent_one_takes_no_chat(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings={"locked": True})
    assert told(await guest.join(lobby)) == (409, "/problems/lobby-locked")
    await change(host, lobby, settings={"locked": False})
    assert (await guest.join(lobby)).status_code == 200


async def test_closing_a_lobby_aborts_its_game_and_keeps_history(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings=SLOW)
    await guest.join(lobby)
    game = await start_game(host, lobby)
    await wait_for_phase(host, game, "question")
    results = await asyncio.gather(*(close(host, lobby) for _ in range(10)))
    assert Counter(results) == {DONE: 1, (409, "/problems/lobby-closed"): 9}
    assert [kind for kind, _ in await read_log(sql, lobby)][-2:] == ["game.aborted", "lobby.closed"]
    assert (await host.look_at(lobby))["status"] == "closed"
    assert (await guest.get(f"/v1/games/{game['id']}/results")).json()["status"] == "aborted"
    assert told(await crowd.player().join(lobby)) == (409, "/problems/lobby-closed")
    assert await command(host, game, "abort") == (409, "/problems/lobby-closed")


async def test_a_host_who_does_not_play(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings=SLOW | {"host_plays": False, "is_private": True}, max_players=1)
    assert (lobby["player_count"], lobby["host_id"]) == (0, str(host.id))
    assert await host.look_at(lobby) == lobby
    refused = await host.post(f"/v1/lobbies/{lobby['id']}/games", {"questions": [], "force": True})
    assert refused.status_code == 422
    assert (await guest.join(lobby, code=lobby["code"])).status_code == 200
    game = await start_game(host, lobby)
    state = await wait_for_phase(host, game, "question")
    assert (state["participant_count"], state["you"]) == (1, None)
    body = {"question_id": state["question"]["id"], "answer": "4"}
    assert told(await host.post(f"/v1/games/{game['id']}/answers", body)) == (403, "/problems/not-a-player")
    assert await command(host, game, "close") == (200, "reveal")
    results = (await host.get(f"/v1/games/{game['id']}/results")).json()["items"]
    assert [row["user_id"] for row in results] == [str(guest.id)]
    # The host is still there when the last player leaves.
    await guest.leave(lobby)
    assert (await host.look_at(lobby))["status"] == "in_game"
    await host.leave(lobby)
    assert (await guest.get(f"/v1/games/{game['id']}")).json()["status"] == "aborted"


async def test_a_host_who_does_not_play_gets_no_seat_by_joining(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings=SLOW | {"host_plays": False}, max_players=1)
    assert (await host.join(lobby)).json() == lobby
    assert (await guest.join(lobby)).status_code == 200
    game = await start_game(host, lobby)
    assert (await host.join(lobby)).json()["player_count"] == 1
    assert (await host.get(f"/v1/games/{game['id']}")).json()["participant_count"] == 1


async def test_a_host_who_leaves_without_a_seat_hands_over(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings={"host_plays": False})
    await guest.join(lobby)
    assert (await host.leave(lobby)).status_code == 204
    assert (await guest.look_at(lobby))["host_id"] == str(guest.id)


async def test_whether_the_host_plays_can_be_changed(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(max_players=2)
    await guest.join(lobby)
    assert (await change(host, lobby, settings={"host_plays": False})).json()["player_count"] == 1
    assert await names(host, lobby) == [str(guest.id)]
    assert (await change(host, lobby, settings={"host_plays": True})).json()["player_count"] == 2
    await change(host, lobby, settings={"host_plays": False})
    await crowd.player().join(lobby)
    assert told(await change(host, lobby, settings={"host_plays": True})) == (409, "/problems/seats-taken")
    assert (await host.look_at(lobby))["settings"]["host_plays"] is False


async def test_a_lobby_names_its_running_game_and_a_second_one_is_refused(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings=SLOW)
    await guest.join(lobby)
    assert lobby["game_id"] is None
    game = await start_game(host, lobby)
    state = await wait_for_phase(host, game, "question")
    body = {"question_id": state["question"]["id"], "answer": "4"}
    await guest.post(f"/v1/games/{game['id']}/answers", body)
    await command(host, game, "close")
    scores = (await host.get(f"/v1/games/{game['id']}")).json()["scores"]
    seen = await host.look_at(lobby)
    assert (seen["game_id"], seen["host_id"]) == (game["id"], str(host.id))
    again = await host.post(
        f"/v1/lobbies/{lobby['id']}/games",
        {
            "questions": [{"question_text": "?", "options": ["a", "b"], "correct_answer": "a"}],
            "force": True,
        },
    )
    assert (told(again), again.json()["game_id"]) == ((409, "/problems/game-under-way"), game["id"])
    assert (await host.get(f"/v1/games/{game['id']}")).json()["scores"] == scores
    await command(host, game, "abort")
    assert (await host.look_at(lobby))["game_id"] is None


async def test_a_late_joiner_plays_from_the_open_question_on(crowd: Crowd) -> None:
    host, late = crowd.players(2)
    lobby = await host.create(settings=SLOW | {"read_ms": 0, "advance": "host"})
    game = await start_game(host, lobby)
    await wait_for_phase(host, game, "question")
    await command(host, game, "close")
    await command(host, game, "next")
    assert (await late.join(lobby)).status_code == 200
    state = (await late.get(f"/v1/games/{game['id']}")).json()
    body = {"question_id": state["question"]["id"], "answer": "Jupiter"}
    assert (await late.post(f"/v1/games/{game['id']}/answers", body)).status_code == 202
    await command(host, game, "close")
    results = (await host.get(f"/v1/games/{game['id']}/results")).json()["items"]
    assert [(row["user_id"], len(row["answers"])) for row in results] == [
        (str(late.id), 1),
        (str(host.id), 2),
    ]
    played = (await late.get(f"/v1/games/{game['id']}/questions")).json()["items"]
    assert [len(question["answers"]) for question in played] == [1, 2]


async def test_no_answer_counts_while_a_question_is_only_read(crowd: Crowd) -> None:
    host = crowd.player()
    lobby = await host.create(settings=SLOW | {"read_ms": 10_000})
    game = await start_game(host, lobby)
    state = await wait_for_phase(host, game, "question")
    body = {"question_id": state["question"]["id"], "answer": "4"}
    refused = await host.post(f"/v1/games/{game['id']}/answers", body)
    assert told(refused) == (409, "/problems/question-not-open")


async def test_markup_in_texts_is_kept_byte_for_byte(crowd: Crowd) -> None:
    text = "\"><img onerror=…> <<a>h1> O'Brien 🦊"
    host = crowd.player()
    lobby = await host.create(name=text, settings=SLOW)
    question = {"question_text": text, "options": [text, "<b>"], "correct_answer": "<b>", "explanation": text}
    game = await start_game(host, lobby, questions=[question])
    assert (await host.look_at(lobby))["name"] == text
    shown = (await wait_for_phase(host, game, "question"))["question"]
    assert (shown["question_text"], shown["options"]) == (text, [text, "<b>"])
    body = {"question_id": shown["id"], "answer": text}
    response = await host.post(f"/v1/games/{game['id']}/answers", body)
    assert response.status_code == 202
    assert response.headers["x-content-type-options"] == "nosniff"
    await command(host, game, "close")
    (played,) = (await host.get(f"/v1/games/{game['id']}/questions")).json()["items"]
    assert (played["explanation"], played["answers"][0]["answer"]) == (text, text)
