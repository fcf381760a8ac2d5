"""The rules of the tables themselves, by plain SQL."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

Connection = asyncpg.Connection
Insert = Callable[..., Awaitable[UUID]]

SEED_COLUMNS = {
    "users": {
        "id": "uuid",
        "username": "citext",
        "email": "citext",
        "password_hash": "text",
        "rating": "int4",
        "created_at": "timestamptz",
    },
    "lobbies": {
        "id": "uuid",
        "creator_id": "uuid",
        "name": "text",
        "max_players": "int4",
        "status": "text",
        "settings": "jsonb",
        "created_at": "timestamptz",
    },
    "lobby_players": {
        "id": "uuid",
        "lobby_id": "uuid",
        "user_id": "uuid",
        "is_ready": "bool",
        "joined_at": "timestamptz",
    },
    "games": {
        "id": "uuid",
        "lobby_id": "uuid",
        "status": "text",
        "current_question": "int4",
        "started_at": "timestamptz",
        "ended_at": "timestamptz",
    },
    "game_participants": {
        "id": "uuid",
        "game_id": "uuid",
        "user_id": "uuid",
        "score": "int4",
        "correct_answers": "int4",
    },
    "questions": {
        "id": "uuid",
        "game_id": "uuid",
        "question_text": "text",
        "options": "jsonb",
        "correct_answer": "text",
        "points": "int4",
        "order_index": "int4",
    },
    "answers": {
        "id": "uuid",
        "participant_id": "uuid",
        "question_id": "uuid",
        "answer": "text",
        "is_correct": "bool",
        "time_taken_ms": "int4",
        "submitted_at": "timestamptz",
    },
}

UNINDEXED_FOREIGN_KEYS = """
    SELECT c.conrelid::regclass::text || '.' || a.attname
    FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND NOT EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)
"""


async def insert(sql: "Connection[Any]", table: str, **values: Any) -> UUID:
    """Insert a row of just these columns by plain SQL; returns its id."""
    columns = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING id"  # noqa: S608 - names of this file
    identifier: UUID = await sql.fetchval(statement, *values.values())
    return identifier


async def insert_user(sql: "Connection[Any]", **values: Any) -> UUID:
    name = uuid4().hex
    return await insert(sql, "users", **({"username": name, "email": f"{name}@example.com"} | values))


async def insert_game(sql: "Connection[Any]") -> UUID:
    creator = await insert_user(sql)
    lobby = await insert(sql, "lobbies", creator_id=creator, name="By hand")
    return await insert(sql, "games", lobby_id=lobby)


@pytest.mark.parametrize("table", SEED_COLUMNS)
async def test_a_table_has_every_column_with_its_type(sql: "Connection[Any]", table: str) -> None:
    rows = await sql.fetch(
        "SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = $1", table
    )
    assert SEED_COLUMNS[table].items() <= {row["column_name"]: row["udt_name"] for row in rows}.items()


async def test_every_foreign_key_leads_an_index(sql: "Connection[Any]") -> None:
    assert await sql.fetch(UNINDEXED_FOREIGN_KEYS) == []


async def test_rows_of_plain_sql_get_ids_and_defaults(sql: "Connection[Any]") -> None:
    game = await insert_game(sql)
    lobby = await sql.fetchrow("SELECT * FROM lobbies WHERE name = 'By hand' LIMIT 1")
    assert lobby is not None
    assert (lobby["status"], lobby["max_players"], lobby["settings"]) == ("waiting", 8, "{}")
    assert await sql.fetchval("SELECT status FROM games WHERE id = $1", game) == "starting"


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("lobbies", "status", "open"),
        ("lobbies", "max_players", 0),
        ("lobbies", "max_players", 501),
        ("games", "status", "over"),
        ("games", "current_question", -1),
    ],
)
async def test_invalid_values_are_refused_by_the_table(
    sql: "Connection[Any]", table: str, column: str, value: Any
) -> None:
    await insert_game(sql)
    with pytest.raises(asyncpg.CheckViolationError):
        await sql.execute(f"UPDATE {table} SET {column} = $1", value)  # noqa: S608 - names of this file


async def test_an_account_with_a_password_has_username_and_email(sql: "Connection[Any]") -> None:
    user = await insert_user(sql, password_hash="x")
    for name in ("username", "email"):
        with pytest.raises(asyncpg.CheckViolationError):
            await sql.execute(f"UPDATE users SET {name} = NULL WHERE id = $1", user)  # noqa: S608 - names of this file


async def test_names_are_unique_regardless_of_case(sql: "Connection[Any]") -> None:
    await insert_user(sql, username="Ada", email="Ada@example.com")
    for column, value in (("username", "aDA"), ("email", "aDA@EXAMPLE.COM")):
        with pytest.raises(asyncpg.UniqueViolationError):
            await insert_user(sql, **{column: value})


async def test_a_participant_answers_a_question_once(sql: "Connection[Any]") -> None:
    game = await insert_game(sql)
    user = await insert_user(sql)
    participant = await insert(sql, "game_participants", game_id=game, user_id=user)
    question = await insert(
        sql,
        "questions",
        game_id=game,
        question_text="2 + 2?",
        options='["3", "4"]',
        correct_answer="4",
        order_index=0,
    )
    answer = {
        "participant_id": participant,
        "question_id": question,
        "answer": "4",
        "is_correct": True,
        "time_taken_ms": 900,
    }
    await insert(sql, "answers", **answer)
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(sql, "answers", **answer | {"answer": "3"})
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(sql, "game_participants", game_id=game, user_id=user)
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(
            sql,
            "questions",
            game_id=game,
            question_text="Again?",
            options="[]",
            correct_answer="",
            order_index=0,
        )


async def test_results_stay_when_a_player_is_deleted(sql: "Connection[Any]") -> None:
    game = await insert_game(sql)
    user = await insert_user(sql)
    participant = await insert(sql, "game_participants", game_id=game, user_id=user, score=700)
    await sql.execute("DELETE FROM users WHERE id = $1", user)
    row = await sql.fetchrow("SELECT user_id, score FROM game_participants WHERE id = $1", participant)
    assert row is not None
    assert tuple(row) == (None, 700)


async def test_a_lobby_with_games_cannot_be_deleted(sql: "Connection[Any]") -> None:
    game = await insert_game(sql)
    # PostgreSQL 18 has its own error class for RESTRICT.
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="fk_games_lobby_id_lobbies"):
        await sql.execute("DELETE FROM lobbies WHERE id = (SELECT lobby_id FROM games WHERE id = $1)", game)


async def test_an_open_lobby_may_have_the_code_of_a_closed_one(sql: "Connection[Any]") -> None:
    await insert(sql, "lobbies", name="Old", code="CCCCCC", status="closed")
    await insert(sql, "lobbies", name="Open", code="CCCCCC")
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(sql, "lobbies", name="Second", code="CCCCCC", status="in_game")


async def test_the_service_can_change_no_table(sql: "Connection[Any]") -> None:
    for statement in ("CREATE TABLE mine (id int)", "ALTER TABLE users ADD mine int", "DROP TABLE answers"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.execute(statement)


async def test_a_page_of_lobbies_is_read_from_the_index(sql: "Connection[Any]") -> None:
    creator = await insert_user(sql)
    await sql.execute(
        "INSERT INTO lobbies (creator_id, name, settings, created_at)"
        " SELECT $1, 'Quiz ' || n, jsonb_build_object('is_private', n % 2 = 0), now() - n * interval '1 s'"
        " FROM generate_series(1, 5000) n",
        creator,
    )
    plan = await sql.fetch(
        "EXPLAIN SELECT id FROM lobbies WHERE status = 'waiting'"
        " AND (NOT settings @> '{\"is_private\": true}'::jsonb) AND (created_at, id) < (now(), gen_random_uuid())"
        " ORDER BY created_at DESC, id DESC LIMIT 51"
    )
    text = "\n".join(row[0] for row in plan)
    assert "idx_lobbies_status" in text
    assert "Sort" not in text
