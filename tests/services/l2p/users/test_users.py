"""Players with tokens of Auth: stored at their first request, and updated by later tokens."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint

Connection = asyncpg.Connection


async def look(player: Player) -> dict[str, Any]:
    response = await player.get("/v1/users/me")
    assert response.status_code == 200, response.text
    user: dict[str, Any] = response.json()
    return user


async def stored_names(sql: "Connection[Any]", user_id: UUID) -> tuple[str | None, str | None]:
    row = await sql.fetchrow("SELECT email, username FROM users WHERE id = $1", user_id)
    assert row is not None
    return row["email"], row["username"]


def fresh_name() -> str:
    return f"n{uuid4().hex[:12]}"


async def register(client: httpx.AsyncClient, name: str) -> UUID:
    body = {"username": name, "email": f"{name}@example.com", "password": "correct horse battery"}
    response = await client.post("/v1/auth/register", json=body)
    assert response.status_code == 201, response.text
    return UUID(response.json()["user"]["id"])


async def test_the_first_request_stores_the_player(crowd: Crowd) -> None:
    name = fresh_name()
    player = crowd.player(username=name, email=f"{name}@example.com")
    user = await look(player)
    assert (user["id"], user["username"], user["email"]) == (str(player.id), name, f"{name}@example.com")
    assert user["rating"] == 1500


async def test_others_see_no_email(crowd: Crowd) -> None:
    player, stranger = crowd.players(2)
    await look(player)
    seen = (await stranger.get(f"/v1/users/{player.id}")).json()
    assert set(seen) == {"id", "username", "rating", "created_at"}


async def test_an_unknown_player_is_not_found(crowd: Crowd) -> None:
    response = await crowd.player().get(f"/v1/users/{uuid4()}")
    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")


async def test_without_a_token_there_is_no_player(client: httpx.AsyncClient) -> None:
    for path in ("/v1/users/me", f"/v1/users/{uuid4()}", "/v1/lobbies", "/v1/lobbies/by-code/CCCCCC"):
        response = await client.get(path)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_fifty_first_requests_at_once_make_one_row(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    here = crowd.player()
    there = Player(client=replica, id=here.id, headers=here.headers)
    users = await asyncio.gather(*(look((here, there)[turn % 2]) for turn in range(50)))
    assert len({str(user) for user in users}) == 1
    assert await sql.fetchval("SELECT count(*) FROM users WHERE id = $1", here.id) == 1


async def test_a_later_token_updates_the_names(crowd: Crowd, sql: "Connection[Any]") -> None:
    old, new = fresh_name(), fresh_name()
    player = crowd.player(username=old, email=f"{old}@example.com")
    await look(player)
    renamed = crowd.player(user_id=player.id, username=new, email=f"{new}@example.com")
    assert (await look(renamed))["username"] == new
    assert await stored_names(sql, player.id) == (f"{new}@example.com", new)


async def test_an_older_token_changes_nothing(crowd: Crowd, sql: "Connection[Any]") -> None:
    old, new = fresh_name(), fresh_name()
    renamed = crowd.player(username=new, email=f"{new}@example.com")
    await look(renamed)
    before = crowd.player(
        user_id=renamed.id, username=old, email=f"{old}@example.com", exp=int(time.time()) + 60
    )
    assert (await look(before))["username"] == new
    assert await stored_names(sql, renamed.id) == (f"{new}@example.com", new)


async def test_a_new_spelling_of_a_name_is_stored(crowd: Crowd, sql: "Connection[Any]") -> None:
    name = fresh_name()
    player = crowd.player(username=name, email=f"{name}@example.com")
    await look(player)
    await look(crowd.player(user_id=player.id, username=name.upper(), email=f"{name}@example.com"))
    assert await stored_names(sql, player.id) == (f"{name}@example.com", name.upper())


async def test_a_name_claimed_by_a_newer_token_is_nulled_at_its_former_player(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    name = fresh_name()
    before = crowd.player(username=name, email=f"{name}@example.com")
    await look(before)
    after = crowd.player(username=name.upper(), email=f"{name}@EXAMPLE.com")
    assert (await look(after))["username"] == name.upper()
    assert await stored_names(sql, before.id) == (None, None)
    assert (await after.get(f"/v1/users/{before.id}")).json()["username"] is None


async def test_a_name_claimed_by_an_older_token_stays_where_it_is(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    name = fresh_name()
    after = crowd.player(username=name, email=f"{name}@example.com")
    await look(after)
    before = crowd.player(username=name, email=f"{name}@example.com", exp=int(time.time()) + 60)
    user = await look(before)
    assert await stored_names(sql, after.id) == (f"{name}@example.com", name)
    assert (user["email"], user["username"]) == (None, f"{name}-{before.id.hex[-4:]}")


async def test_a_player_who_lost_a_name_gets_a_new_one_from_the_next_token(crowd: Crowd) -> None:
    name, other = fresh_name(), fresh_name()
    before = crowd.player(username=name, email=f"{name}@example.com")
    await look(before)
    await look(crowd.player(username=name, email=f"{name}@example.com"))
    again = crowd.player(user_id=before.id, username=other, email=f"{other}@example.com")
    user = await look(again)
    assert (user["email"], user["username"]) == (f"{other}@example.com", other)


async def test_an_account_of_learn2play_keeps_its_names_and_the_newcomer_gets_a_suffix(
    client: httpx.AsyncClient, crowd: Crowd, sql: "Connection[Any]"
) -> None:
    name = fresh_name()
    own = await register(client, name)
    newcomer = crowd.player(username=name.upper(), email=f"{name}@example.com")
    user = await look(newcomer)
    suffixed = f"{name.upper()}-{newcomer.id.hex[-4:]}"
    assert (user["username"], user["email"]) == (suffixed, None)
    assert await stored_names(sql, own) == (f"{name}@example.com", name)
    again = crowd.player(user_id=newcomer.id, username=name.upper(), email=f"{name}@example.com")
    assert (await look(again))["username"] == suffixed


async def test_the_suffix_grows_where_the_short_one_is_taken(client: httpx.AsyncClient, crowd: Crowd) -> None:
    name, newcomer_id = fresh_name(), uuid4()
    await register(client, name)
    await register(client, f"{name}-{newcomer_id.hex[-4:]}")
    newcomer = crowd.player(user_id=newcomer_id, username=name)
    assert (await look(newcomer))["username"] == f"{name}-{newcomer_id.hex[-8:]}"


async def test_thirty_newcomers_with_the_name_of_an_account_are_all_stored(
    client: httpx.AsyncClient, crowd: Crowd, sql: "Connection[Any]"
) -> None:
    name = fresh_name()
    await register(client, name)
    newcomers = [crowd.player(username=name, email=f"{name}@example.com") for _ in range(30)]
    users = await asyncio.gather(*(look(newcomer) for newcomer in newcomers))
    assert len({user["username"] for user in users}) == 30
    for newcomer, user in zip(newcomers, users, strict=True):
        # Two of thirty random ids may end in the same four digits.
        assert user["username"] in {f"{name}-{newcomer.id.hex[-length:]}" for length in (4, 8)}
    held = await sql.fetch("SELECT id FROM users WHERE email = $1", f"{name}@example.com")
    assert len(held) == 1


async def test_newcomers_who_claim_one_name_at_once_leave_it_to_one(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    name = fresh_name()
    claims: dict[str, Any] = {"username": name, "email": f"{name}@example.com", "exp": int(time.time()) + 900}
    newcomers = [crowd.player(client=(crowd.client, replica)[turn % 2], **claims) for turn in range(30)]
    await asyncio.gather(*(look(newcomer) for newcomer in newcomers))
    holders = await sql.fetch(
        "SELECT id FROM users WHERE username = $1 AND email = $2", name, f"{name}@example.com"
    )
    assert len(holders) == 1
    count = "SELECT count(*) FROM users WHERE id = ANY($1)"
    assert await sql.fetchval(count, [newcomer.id for newcomer in newcomers]) == 30


async def test_two_players_who_swap_names_both_get_them(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]", mint: TokenMint
) -> None:
    for _ in range(10):
        one, other = uuid4(), uuid4()
        names = {one: fresh_name(), other: fresh_name()}
        for user_id, name in names.items():
            await look(crowd.player(user_id=user_id, username=name, email=f"{name}@example.com"))
        swapped = {one: names[other], other: names[one]}
        clients = {one: crowd.client, other: replica}
        await asyncio.gather(
            *(
                look(
                    crowd.player(
                        user_id=user_id, client=clients[user_id], username=name, email=f"{name}@example.com"
                    )
                )
                for user_id, name in swapped.items()
            )
        )
        for user_id, name in swapped.items():
            assert await stored_names(sql, user_id) == (f"{name}@example.com", name)


async def test_registering_while_names_move_neither_blocks_nor_fails(
    client: httpx.AsyncClient, crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.com", "password": "correct horse battery"}
    newcomers = [crowd.player(client=replica, username=name, email=f"{name}@example.com") for _ in range(10)]
    answers = await asyncio.gather(
        *(newcomer.get("/v1/users/me") for newcomer in newcomers),
        *(client.post("/v1/auth/register", json=body) for _ in range(10)),
    )
    assert all(answer.status_code < 500 for answer in answers)
    assert await sql.fetchval("SELECT count(*) FROM users WHERE username = $1", name) == 1


async def test_a_token_without_names_changes_none(crowd: Crowd, sql: "Connection[Any]") -> None:
    name = fresh_name()
    player = crowd.player(username=name, email=f"{name}@example.com")
    await look(player)
    await look(crowd.player(user_id=player.id, username=None, email=None))
    assert await stored_names(sql, player.id) == (f"{name}@example.com", name)
    nameless = crowd.player(username=None, email=None)
    user = await look(nameless)
    assert (user["username"], user["email"]) == (None, None)


async def test_a_player_whose_row_was_deleted_is_stored_again_by_the_next_write(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    host, player = crowd.players(2)
    lobby = await host.create()
    private = await host.create(settings={"is_private": True})
    assert (await player.get("/v1/users/me")).status_code == 200
    writes = (
        ("POST", "/v1/lobbies", {"name": "Friday quiz"}, 201),
        ("POST", f"/v1/lobbies/{lobby['id']}/join", None, 200),
        ("POST", f"/v1/lobbies/{private['id']}/join", {"code": "WRONG2"}, 404),
        ("GET", "/v1/lobbies/by-code/WRONG2", None, 404),
    )
    for method, path, body, status in writes:
        await sql.execute("DELETE FROM users WHERE id = $1", player.id)
        answer = await (player.get(path) if method == "GET" else player.post(path, body))
        assert answer.status_code == status, path
        assert await sql.fetchval("SELECT count(*) FROM users WHERE id = $1", player.id) == 1
