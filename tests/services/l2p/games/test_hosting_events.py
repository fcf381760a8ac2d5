"""What sockets are told of the host's commands, and which of them are closed."""

from uuid import UUID

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import QUICK, following, start_game
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint


async def test_a_kicked_player_is_told_and_disconnected(pair: Pair, mint: TokenMint) -> None:
    here, there = (Crowd(process.client, mint) for process in pair)
    host, guest = here.player(), there.player()
    lobby = await host.create()
    await guest.join(lobby)
    path = f"/v1/lobbies/{lobby['id']}"
    async with following(pair[0], lobby, host) as at_host, following(pair[1], lobby, guest) as at_guest:
        kick = {"user_id": str(guest.id), "ban": False}
        assert (await host.post(f"{path}/kick", kick)).status_code == 204
        left = await at_guest.wait_for("player.left")
        assert left == await at_host.wait_for("player.left")
        assert left["data"] == {"user_id": str(guest.id), "reason": "kicked", "banned": False}
        assert await at_guest.socket.closed() == 4403
    assert (await guest.join(lobby)).status_code == 200
    # A client that missed its kick and its return is not disconnected by the old event.
    missed = {"stream": at_guest.welcome["data"]["stream"], "last_seq": left["seq"] - 1}
    async with following(pair[1], lobby, guest, **missed) as again:
        assert (await again.wait_for("player.joined"))["data"]["user_id"] == str(guest.id)
        await again.socket.send({"type": "ping"})
        await again.socket.receive_until("type", "pong")
        assert (await host.post(f"{path}/kick", {"user_id": str(guest.id)})).status_code == 204
        assert await again.socket.closed() == 4403
    with pytest.raises(ConnectionClosedError) as banned:
        async with following(pair[0], lobby, guest):
            pass
    assert banned.value.rcvd is not None
    assert banned.value.rcvd.code == 4403


async def test_a_private_lobby_is_followed_by_its_host_and_players_only(pair: Pair, mint: TokenMint) -> None:
    here, there = (Crowd(process.client, mint) for process in pair)
    host, guest, watcher = here.player(), there.player(), there.player()
    lobby = await host.create()
    await guest.join(lobby)
    path = f"/v1/lobbies/{lobby['id']}"
    async with following(pair[0], lobby, host) as at_host, following(pair[1], lobby, guest) as at_guest:
        async with following(pair[1], lobby, watcher) as at_watcher:
            change = {"settings": {"is_private": True, "host_plays": False}}
            assert (await host.client.patch(path, json=change, headers=host.headers)).status_code == 200
            await at_watcher.wait_for("lobby.updated")
            assert await at_watcher.socket.closed() == 4403
        await at_guest.wait_for("lobby.updated")
        await guest.leave(lobby)
        await at_guest.wait_for("player.left")
        assert await at_guest.socket.closed() == 4403
        await at_host.wait_for("lobby.updated")
        await at_host.wait_for("player.left")
        await at_host.socket.send({"type": "ping"})
        await at_host.socket.receive_until("type", "pong")


async def test_closing_a_lobby_tells_and_disconnects_everybody(pair: Pair, mint: TokenMint) -> None:
    host, guest = Crowd(pair[0].client, mint).player(), Crowd(pair[1].client, mint).player()
    lobby = await host.create(settings=QUICK)
    await guest.join(lobby)
    async with following(pair[0], lobby, host) as at_host, following(pair[1], lobby, guest) as at_guest:
        await start_game(host, lobby)
        opened = await at_guest.wait_for("question.opened")
        response = await host.client.delete(f"/v1/lobbies/{lobby['id']}", headers=host.headers)
        assert response.status_code == 204
        for follower in (at_host, at_guest):
            aborted = await follower.wait_for("game.aborted")
            assert aborted["data"] == {"game_id": opened["data"]["game_id"], "reason": "lobby_closed"}
            assert (await follower.wait_for("lobby.closed"))["data"] == {"reason": "deleted"}
            assert await follower.socket.closed() == 4410


async def test_the_host_turns_the_chat_off(pair: Pair, mint: TokenMint) -> None:
    host = Crowd(pair[0].client, mint).player()
    lobby = await host.create()
    async with following(pair[1], lobby, host) as follower:
        text = '"><img onerror=…> <<a>h1>'
        await follower.socket.send({"type": "chat", "text": text})
        assert (await follower.wait_for("chat.message"))["data"]["text"] == text
        change = {"settings": {"allow_chat": False}}
        answer = await host.client.patch(f"/v1/lobbies/{lobby['id']}", json=change, headers=host.headers)
        assert answer.status_code == 200
        assert (await follower.wait_for("lobby.updated"))["data"]["settings"]["allow_chat"] is False
        await follower.socket.send({"type": "chat", "text": "Hello?", "ref": "1"})
        refused = await follower.socket.receive_until("type", "error")
        assert (refused["data"]["code"], refused["data"]["ref"]) == ("chat-off", "1")


async def test_a_guest_follows_the_own_lobby_only(pair: Pair, mint: TokenMint) -> None:
    host = Crowd(pair[0].client, mint).player()
    lobby, other = await host.create(), await host.create()
    admitted = await pair[0].client.post(
        f"/v1/lobbies/by-code/{lobby['code']}/guests", json={"nickname": "Ana"}
    )
    body = admitted.json()
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    guest = Player(client=pair[1].client, id=UUID(body["user"]["id"]), headers=headers)
    async with following(pair[1], lobby, guest) as follower:
        assert follower.welcome["data"]["lobby"]["players"][1]["username"] == "Ana"
        await follower.socket.send({"type": "chat", "text": "Hello"})
        assert (await follower.wait_for("chat.message"))["data"]["username"] == "Ana"
    with pytest.raises(ConnectionClosedError) as refused:
        async with following(pair[1], other, guest):
            pass
    assert refused.value.rcvd is not None
    assert refused.value.rcvd.code == 4403
