"""Creating, finding and reading lobbies."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from dbcommon.engine import Database
from l2p.codes.codes import CODE_ALPHABET
from l2p.lobbies.schemas import LobbySettings, LobbySummary
from l2p.settings import Settings
from tests.clients import counting_statements
from tests.services.l2p.players import Crowd
from webcommon.api.paging import Page
from webcommon.app.service import Service

Connection = asyncpg.Connection

DEFAULT_SETTINGS = {
    "is_private": False,
    "question_set_id": None,
    "question_count": None,
    "time_limit_ms": 20_000,
    "speed_bonus": True,
    "streak_bonus": False,
    "reveal_ms": 5_000,
    "shuffle": False,
    "allow_late_join": True,
    "read_ms": 0,
    "starting_ms": 3_000,
    "allow_chat": True,
    "locked": False,
    "host_plays": True,
    "advance": "auto",
}


async def test_a_new_lobby_has_its_creator_as_host_and_default_settings(crowd: Crowd) -> None:
    host = crowd.player()
    response = await host.post("/v1/lobbies", {"name": "  Friday quiz "})
    assert response.status_code == 201
    lobby = response.json()
    assert response.headers["Location"] == f"/v1/lobbies/{lobby['id']}"
    assert (lobby["name"], lobby["status"], lobby["max_players"]) == ("Friday quiz", "waiting", 8)
    assert lobby["creator_id"] == lobby["host_id"] == str(host.id)
    assert lobby["settings"] == DEFAULT_SETTINGS
    assert lobby["player_count"] == 1
    assert [(player["user_id"], player["is_ready"]) for player in lobby["players"]] == [(str(host.id), False)]
    assert len(lobby["code"]) == 6
    assert set(lobby["code"]) <= set(CODE_ALPHABET)
    assert lobby == await host.look_at(lobby)


async def test_a_name_keeps_markup_and_emoji_and_loses_what_nobody_sees(crowd: Crowd) -> None:
    host = crowd.player()
    name = "\"><img src=x onerror=alert(1)> <<a>h1> O'Brien \U0001f600"
    lobby = await host.create(name=f"\u200b{name}\u202e\u2067")
    assert lobby["name"] == (await host.look_at(lobby))["name"] == name
    refused = await host.post("/v1/lobbies", {"name": "\u00ad\u200f \u2069\ufeff"})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/name"]


async def test_given_settings_are_stored(crowd: Crowd, sql: "Connection[Any]") -> None:
    given = {
        "is_private": True,
        "time_limit_ms": 5_000,
        "reveal_ms": 0,
        "question_count": 12,
        "shuffle": True,
    }
    lobby = await crowd.player().create(max_players=500, settings=given)
    assert lobby["settings"] == DEFAULT_SETTINGS | given
    assert lobby["max_players"] == 500
    stored = await sql.fetchval("SELECT settings->>'time_limit_ms' FROM lobbies WHERE id = $1", lobby["id"])
    assert stored == "5000"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": "   "}, "#/name"),
        ({"name": "x" * 101}, "#/name"),
        ({"name": "a\x00b"}, "#/name"),
        ({"name": 7}, "#/name"),
        ({"name": "Quiz", "max_players": 0}, "#/max_players"),
        ({"name": "Quiz", "max_players": 501}, "#/max_players"),
        ({"name": "Quiz", "max_players": 2**31}, "#/max_players"),
        ({"name": "Quiz", "max_players": True}, "#/max_players"),
        ({"name": "Quiz", "code": "CCCCCC"}, "#/code"),
        ({"name": "Quiz", "settings": {"time_limit_ms": 4_999}}, "#/settings/time_limit_ms"),
        ({"name": "Quiz", "settings": {"time_limit_ms": 120_001}}, "#/settings/time_limit_ms"),
        ({"name": "Quiz", "settings": {"reveal_ms": 60_001}}, "#/settings/reveal_ms"),
        ({"name": "Quiz", "settings": {"reveal_ms": -1}}, "#/settings/reveal_ms"),
        ({"name": "Quiz", "settings": {"is_private": "yes"}}, "#/settings/is_private"),
        ({"name": "Quiz", "settings": {"question_count": 0}}, "#/settings/question_count"),
        ({"name": "Quiz", "settings": {"colour": "red"}}, "#/settings/colour"),
        ({"name": "Quiz", "settings": None}, "#/settings"),
        ({"name": "Quiz", "settings": {"question_set_id": str(uuid4())}}, "#/settings/question_set_id"),
    ],
)
async def test_an_invalid_field_is_refused_with_its_pointer(
    crowd: Crowd, body: dict[str, Any], pointer: str
) -> None:
    response = await crowd.player().post("/v1/lobbies", body)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_fifty_created_at_once_have_fifty_codes(crowd: Crowd, sql: "Connection[Any]") -> None:
    host = crowd.player()
    lobbies = await asyncio.gather(*(host.create(name=f"Quiz {number}") for number in range(50)))
    assert len({lobby["code"] for lobby in lobbies}) == 50
    ids = [lobby["id"] for lobby in lobbies]
    seats = await sql.fetch(
        "SELECT lobby_id, count(*) AS number FROM lobby_players WHERE lobby_id = ANY($1::uuid[]) GROUP BY 1",
        ids,
    )
    assert [row["number"] for row in seats] == [1] * 50


async def test_a_lobby_that_does_not_exist_is_not_found(crowd: Crowd) -> None:
    player = crowd.player()
    for response in (
        await player.get(f"/v1/lobbies/{uuid4()}"),
        await player.post(f"/v1/lobbies/{uuid4()}/join"),
        await player.post(f"/v1/lobbies/{uuid4()}/join", {"code": "CCCCCC"}),
        await player.post(f"/v1/lobbies/{uuid4()}/leave"),
    ):
        assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")
    assert (await player.get("/v1/lobbies/not-an-id")).status_code == 422


async def test_every_player_can_read_a_public_lobby(crowd: Crowd) -> None:
    host, stranger = crowd.players(2)
    lobby = await host.create()
    assert await stranger.look_at(lobby) == lobby


async def test_a_private_lobby_is_read_by_its_players_or_by_code(crowd: Crowd) -> None:
    host, stranger = crowd.players(2)
    lobby = await host.create(settings={"is_private": True})
    assert await host.look_at(lobby) == lobby
    missing = await stranger.get(f"/v1/lobbies/{lobby['id']}")
    assert missing.status_code == 404
    assert lobby["code"] not in missing.text
    found = await stranger.get(f"/v1/lobbies/by-code/{lobby['code']}")
    assert (found.status_code, found.json()) == (200, lobby)


@pytest.mark.parametrize("spell", [str.lower, lambda code: f" {code[:3]}-{code[3:]} "])
async def test_a_code_ignores_case_spaces_and_hyphens(crowd: Crowd, spell: Any) -> None:
    host, player = crowd.players(2)
    lobby = await host.create()
    found = await player.get(f"/v1/lobbies/by-code/{spell(lobby['code'])}")
    assert found.json()["id"] == lobby["id"]


async def test_the_list_shows_public_lobbies_newest_first_with_player_counts(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    word = uuid4().hex
    lobbies = [await host.create(name=f"{word} {number}") for number in range(3)]
    await host.create(name=f"{word} hidden", settings={"is_private": True})
    await guest.join(lobbies[1])
    items = (await guest.get("/v1/lobbies", q=word)).json()["items"]
    assert [(item["name"], item["player_count"]) for item in items] == [
        (f"{word} 2", 1),
        (f"{word} 1", 2),
        (f"{word} 0", 1),
    ]
    assert "players" not in items[0]
    assert items[2] == {
        name: value for name, value in lobbies[0].items() if name not in ("players", "game_id")
    }


async def test_the_list_shows_one_status_and_waiting_by_default(crowd: Crowd, sql: "Connection[Any]") -> None:
    host = crowd.player()
    word = uuid4().hex
    waiting, playing, closed = [await host.create(name=f"{word} {number}") for number in range(3)]
    await sql.execute("UPDATE lobbies SET status = 'in_game' WHERE id = $1", playing["id"])
    await host.leave(closed)
    for parameters, expected in (
        ({}, waiting),
        ({"status": "waiting"}, waiting),
        ({"status": "in_game"}, playing),
        ({"status": "closed"}, closed),
    ):
        items = (await host.get("/v1/lobbies", q=word, **parameters)).json()["items"]
        assert [item["id"] for item in items] == [expected["id"]]
    assert (await host.get("/v1/lobbies", status="open")).status_code == 422


@pytest.mark.parametrize("wild", ["100%", "a_b", "back\\slash", "O'Reilly", "Größe"])
async def test_a_search_takes_wildcards_literally(crowd: Crowd, wild: str) -> None:
    host = crowd.player()
    word = uuid4().hex
    await host.create(name=f"{word} {wild}!")
    await host.create(name=f"{word} 100x a-b backslash Groesse")
    items = (await host.get("/v1/lobbies", q=f"{word.upper()} {wild}")).json()["items"]
    assert [item["name"] for item in items] == [f"{word} {wild}!"]


async def test_every_lobby_is_on_one_page_while_new_ones_are_created(crowd: Crowd) -> None:
    host = crowd.player()
    word = uuid4().hex
    created = [(await host.create(name=f"{word} {number}"))["id"] for number in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        beginning = {"cursor": cursor} if cursor else {}
        page = (await host.get("/v1/lobbies", q=word, limit=3, **beginning)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await host.create(name=f"{word} newer")
    assert seen == created[::-1]


async def test_a_cursor_of_another_list_is_refused(crowd: Crowd) -> None:
    host = crowd.player()
    word = uuid4().hex
    for number in range(2):
        await host.create(name=f"{word} {number}")
    cursor = (await host.get("/v1/lobbies", q=word, limit=1)).json()["next_cursor"]
    for parameters in ({"q": word, "status": "closed"}, {"q": "other"}, {}):
        response = await host.get("/v1/lobbies", cursor=cursor, **parameters)
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "#query/cursor"
    bad: list[dict[str, Any]] = [
        {"cursor": "nonsense"},
        {"limit": 0},
        {"limit": 101},
        {"q": "x" * 101},
        {"q": "\x00"},
    ]
    for wrong in bad:
        assert (await host.get("/v1/lobbies", **wrong)).status_code == 422


async def test_the_json_of_the_list_is_that_of_its_model(crowd: Crowd, settings: Settings) -> None:
    host = crowd.player()
    word = uuid4().hex
    private = LobbySettings(question_count=7, shuffle=True).model_dump(mode="json")
    await host.create(name=f'{word} "quoted" \\ back\tslash \x1f 日本 😀 \u2028 </script>', settings=private)
    assert settings.database is not None
    connection = await asyncpg.connect(**settings.database.url.connect_arguments(application_name="test"))
    try:
        for number, moment in enumerate(
            ("2001-02-03 04:05:06+02", "0999-01-01 00:00:00.5+00", "9999-12-31Z")
        ):
            await connection.execute(
                "INSERT INTO lobbies (id, name, max_players, status, settings, created_at, code)"
                " VALUES (gen_random_uuid(), $1, 500, 'waiting', '{\"reveal_ms\": 0}', $2::text::timestamptz, $3)",
                f"{word} {number}",
                moment,
                f"{word[:8]}{number}",
            )
    finally:
        await connection.close()
    response = await host.get("/v1/lobbies", q=word)
    page = Page[LobbySummary].model_validate_json(response.content)
    assert len(page.items) == 4
    assert json.loads(page.model_dump_json()) == response.json()
    assert list(response.json()["items"][0]) == list(LobbySummary.model_fields)
    assert {item.settings.question_count for item in page.items} == {None, 7}
    assert [item["created_at"] for item in response.json()["items"]] == [
        "9999-12-31T00:00:00Z",
        response.json()["items"][1]["created_at"],
        "2001-02-03T02:05:06Z",
        "0999-01-01T00:00:00.500000Z",
    ]


async def test_a_list_is_read_in_one_query(crowd: Crowd, app: Service) -> None:
    host = crowd.player()
    await host.create()
    counts = []
    for _ in range(10):
        async with counting_statements(app.component(Database)) as statements:
            assert (await host.get("/v1/lobbies")).status_code == 200
        counts.append(len(statements))
    # The application's work in the background has statements too, several a second.
    assert min(counts) == 1
