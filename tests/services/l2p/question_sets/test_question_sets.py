"""Sets of questions: who sees, changes, copies and plays them."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from l2p.question_sets.limits import MAXIMUM_SETS
from tests.services.l2p.players import Crowd, Player
from tests.services.l2p.question_sets.sets import PATH, PLANET, SUM, create_set

DEFAULTS = {"points": 1000, "time_limit_ms": None, "explanation": None}


async def test_the_owner_reads_the_whole_set(crowd: Crowd) -> None:
    owner = crowd.player()
    made = await create_set(owner, is_public=True)
    assert made == (await owner.get(f"{PATH}/{made['id']}")).json()
    assert made["questions"] == [SUM, DEFAULTS | PLANET]
    summary = {
        name: made[name] for name in ("owner_id", "title", "is_public", "allow_copy", "question_count")
    }
    assert summary == {
        "owner_id": str(owner.id),
        "title": "Sums",
        "is_public": True,
        "allow_copy": False,
        "question_count": 2,
    }


async def test_others_see_a_public_set_without_answers_and_explanations(crowd: Crowd) -> None:
    owner, other = crowd.players(2)
    made = await create_set(owner, is_public=True)
    seen = (await other.get(f"{PATH}/{made['id']}")).json()
    hidden = {"correct_answer", "explanation"}
    assert seen["questions"] == [
        {name: value for name, value in question.items() if name not in hidden}
        for question in made["questions"]
    ]
    assert seen | {"questions": made["questions"]} == made


async def test_nothing_that_others_get_depends_on_the_right_answer(crowd: Crowd) -> None:
    owner, other = crowd.players(2)
    made = await create_set(owner, is_public=True)
    paths = [
        f"{PATH}/{made['id']}",
        f"{PATH}?scope=public&q=Sums",
        f"{PATH}/{made['id']}/export",
        f"{PATH}/{made['id']}/export?format=csv",
    ]
    body = {"title": "Sums", "is_public": True}
    seen = []
    for changed in (SUM, SUM | {"correct_answer": "3", "explanation": None}):
        replaced = await put(owner, made, body | {"questions": [changed, PLANET]})
        moment = replaced.json()["updated_at"]
        answers = [
            await other.client.request(method, path, headers=other.headers)
            for path in paths
            for method in ("GET", "HEAD")
        ]
        seen.append([describe(answer, moment) for answer in answers])
    assert seen[0] == seen[1]


def describe(answer: httpx.Response, updated_at: str) -> tuple[Any, ...]:
    told = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    request_id = answer.headers["x-request-id"]
    text = answer.text.replace(updated_at, "").replace(request_id, "")
    return answer.status_code, told, text


async def put(player: Player, made: dict[str, Any], body: dict[str, Any]) -> httpx.Response:
    return await player.client.put(f"{PATH}/{made['id']}", json=body, headers=player.headers)


async def test_a_private_set_is_unknown_to_others(crowd: Crowd) -> None:
    owner, other = crowd.players(2)
    made = await create_set(owner, allow_copy=True)
    body = {"title": "Mine", "questions": [SUM]}
    path = f"{PATH}/{made['id']}"
    answers = [
        await other.get(path),
        await other.get(f"{path}/export"),
        await other.post(f"{path}/copy"),
        await put(other, made, body),
        await other.client.delete(path, headers=other.headers),
        await other.get(f"{PATH}/{uuid4()}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6
    assert (await owner.get(path)).json() == made


async def test_only_the_owner_changes_exports_and_deletes_a_public_set(crowd: Crowd) -> None:
    owner, other = crowd.players(2)
    made = await create_set(owner, is_public=True)
    path = f"{PATH}/{made['id']}"
    refused = [
        await put(other, made, {"title": "Mine", "questions": [SUM]}),
        await other.client.delete(path, headers=other.headers),
        await other.get(f"{path}/export"),
    ]
    assert [answer.json()["type"] for answer in refused] == ["/problems/not-the-owner"] * 3
    replaced = await put(owner, made, {"title": "Planets", "questions": [PLANET]})
    assert replaced.json()["questions"] == [DEFAULTS | PLANET]
    assert (replaced.json()["title"], replaced.json()["is_public"]) == ("Planets", False)
    assert replaced.json()["created_at"] == made["created_at"] < replaced.json()["updated_at"]
    assert (await owner.client.delete(path, headers=owner.headers)).status_code == 204
    assert (await owner.get(path)).status_code == 404


async def test_a_copy_has_the_answers_and_needs_its_owners_leave(crowd: Crowd) -> None:
    owner, other = crowd.players(2)
    closed = await create_set(owner, is_public=True)
    refused = await other.post(f"{PATH}/{closed['id']}/copy")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/copy-not-allowed")
    made = await create_set(owner, is_public=True, allow_copy=True)
    copy = (await other.post(f"{PATH}/{made['id']}/copy")).json()
    assert copy["questions"] == made["questions"]
    assert (copy["owner_id"], copy["is_public"], copy["allow_copy"]) == (str(other.id), False, False)
    assert (await other.get(f"{PATH}/{copy['id']}")).json() == copy
    # One's own needs no leave, and the copy does not follow its source.
    again = (await owner.post(f"{PATH}/{closed['id']}/copy")).json()
    await put(owner, closed, {"title": "Other", "questions": [PLANET]})
    assert (await owner.get(f"{PATH}/{again['id']}")).json()["questions"] == closed["questions"]


async def test_lists_have_ones_own_sets_or_the_public_ones_newest_first(crowd: Crowd) -> None:
    owner, other = crowd.players(2)
    word = uuid4().hex
    made = [await create_set(owner, title=f"{word}_%{number}", is_public=number != 1) for number in range(3)]
    own = (await owner.get(PATH, limit=2)).json()
    rest = (await owner.get(PATH, limit=2, cursor=own["next_cursor"])).json()
    summaries = [
        {name: value for name, value in one.items() if name != "questions"} for one in reversed(made)
    ]
    assert own["items"] + rest["items"] == summaries
    assert rest["next_cursor"] is None
    assert (await other.get(PATH)).json()["items"] == []
    public = (await other.get(PATH, scope="public", q=f" {word.upper()}_%")).json()
    assert public["items"] == [summaries[0], summaries[2]]
    assert (await other.get(PATH, cursor=own["next_cursor"])).status_code == 422


async def test_of_fifty_that_come_at_once_a_player_gets_as_many_sets_as_allowed(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "asyncpg.Connection[Any]"
) -> None:
    owner = crowd.player()
    source = await create_set(owner)
    await sql.execute(
        "INSERT INTO question_sets (owner_id, title) SELECT $1, 'old' FROM generate_series(1, $2)",
        owner.id,
        MAXIMUM_SETS - 10,
    )
    elsewhere = crowd.player(user_id=owner.id, client=replica)
    body = {"title": "New", "questions": [SUM]}
    calls = [elsewhere.post(PATH, body) for _ in range(25)]
    calls += [owner.post(f"{PATH}/{source['id']}/copy") for _ in range(25)]
    statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    assert (statuses.count(201), statuses.count(409)) == (9, 41)
    assert (
        await sql.fetchval("SELECT count(*) FROM question_sets WHERE owner_id = $1", owner.id) == MAXIMUM_SETS
    )
    refused = await owner.post(PATH, body)
    assert refused.json()["type"] == "/problems/too-many-question-sets"


async def test_titles_lose_invisible_characters_and_other_texts_nothing(crowd: Crowd) -> None:
    owner = crowd.player()
    odd = "\"><img src=x onerror=alert(1)> <<a>h1> O'Brien \U0001f469\u200d\U0001f52c \u202e"
    question = {
        "question_text": odd,
        "options": [odd, "\t" + odd + "!"],
        "correct_answer": odd,
        "explanation": odd,
    }
    made = await create_set(owner, title=f" \u200b{odd}\ufeff", questions=[question])
    assert made["title"] == odd.replace("\u200d", "").replace("\u202e", "").strip()
    assert made["questions"] == [DEFAULTS | question]
    for title in (" ", "\u200b\u00ad", "\u2066\u2069\u202e"):
        refused = await owner.post(PATH, {"title": title, "questions": [SUM]})
        assert [error["pointer"] for error in refused.json()["errors"]] == ["#/title"]


async def test_what_no_question_can_be_is_refused(crowd: Crowd) -> None:
    owner = crowd.player()
    refused = {
        "#/questions": [[], [SUM] * 501],
        "#/questions/0/options": [
            [SUM | {"options": ["4"]}],
            [SUM | {"options": list("1234567")}],
            [SUM | {"options": ["4", "4 "]}],
            [SUM | {"options": ["caf\u00e9", "cafe\u0301", "4"]}],
        ],
        "#/questions/0/options/0": [
            [SUM | {"options": ["\u200b", "4"]}],
            [SUM | {"options": ["x" * 301, "4"]}],
        ],
        "#/questions/0": [[SUM | {"correct_answer": "5"}]],
        "#/questions/0/points": [[SUM | {"points": 10_001}], [SUM | {"points": -1}]],
        "#/questions/0/question_text": [
            [SUM | {"question_text": "x" * 1001}],
            [SUM | {"question_text": " "}],
        ],
        "#/questions/0/explanation": [[SUM | {"explanation": "x" * 2001}]],
    }
    for pointer, tries in refused.items():
        for questions in tries:
            answer = await owner.post(PATH, {"title": "Sums", "questions": questions})
            assert answer.status_code == 422, (pointer, questions)
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_set_of_the_largest_size_is_stored(crowd: Crowd) -> None:
    owner = crowd.player()
    texts = [letter * 300 for letter in "abcdef"]
    question = {
        "question_text": "\U0001f600" * 1000,
        "options": texts,
        "correct_answer": texts[5],
        "points": 10_000,
        "time_limit_ms": 120_000,
        "explanation": "\u00df" * 2000,
    }
    made = await create_set(owner, questions=[question] * 500)
    assert made["questions"] == [question] * 500


async def start(host: Player, lobby: dict[str, Any], **body: Any) -> httpx.Response:
    return await host.post(f"/v1/lobbies/{lobby['id']}/games", {"force": True} | body)


async def test_games_are_started_from_ones_own_and_from_public_sets(
    crowd: Crowd, sql: "asyncpg.Connection[Any]"
) -> None:
    owner, other = crowd.players(2)
    public, private = await create_set(owner, is_public=True), await create_set(owner)
    for host, question_set, status in ((owner, private, 201), (other, public, 201), (other, private, 422)):
        lobby = await host.create(settings={"time_limit_ms": 7000})
        answer = await start(host, lobby, question_set_id=question_set["id"])
        assert answer.status_code == status, answer.text
        if status == 422:
            assert answer.json()["type"] == "/problems/question-set-unknown"
            assert (
                await sql.fetchval("SELECT count(*) FROM games WHERE lobby_id = $1::text::uuid", lobby["id"])
                == 0
            )
        else:
            assert answer.json()["question_count"] == 2
            rows = await sql.fetch(
                "SELECT order_index, question_text, correct_answer, points, time_limit_ms, explanation"
                " FROM questions WHERE game_id = $1::text::uuid ORDER BY order_index",
                answer.json()["id"],
            )
            assert list(map(tuple, rows)) == [
                (0, "2 + 2?", "4", 500, 10_000, "Count."),
                (1, "The largest planet?", "Jupiter", 1000, 7000, None),
            ]


async def test_the_lobbys_set_serves_a_request_without_questions(
    crowd: Crowd, sql: "asyncpg.Connection[Any]"
) -> None:
    owner, other = crowd.players(2)
    made = await create_set(owner)
    settings = {"question_set_id": made["id"], "question_count": 1, "shuffle": True}
    refused = await other.post("/v1/lobbies", {"name": "Friday quiz", "settings": settings})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/question-set-unknown")
    lobby = await owner.create(settings=settings)
    await other.join(lobby)
    await owner.leave(lobby)
    # The owner chose the set for this lobby: its next host plays it, but has it nowhere else.
    game = await start(other, lobby)
    assert (game.status_code, game.json()["question_count"]) == (201, 1)
    elsewhere = await other.create()
    assert (await start(other, elsewhere, question_set_id=made["id"])).status_code == 422
    assert (await start(other, elsewhere)).json()["type"] == "/problems/no-questions"
    both = await start(other, elsewhere, question_set_id=made["id"], questions=[PLANET])
    assert both.json()["type"] == "/problems/no-questions"


async def test_a_game_keeps_its_questions_when_its_set_is_deleted(
    crowd: Crowd, sql: "asyncpg.Connection[Any]"
) -> None:
    owner = crowd.player()
    made = await create_set(owner)
    lobby = await owner.create(settings={"question_set_id": made["id"], "shuffle": True})
    game = (await start(owner, lobby)).json()
    await owner.client.delete(f"{PATH}/{made['id']}", headers=owner.headers)
    texts = await sql.fetch("SELECT question_text FROM questions WHERE game_id = $1::text::uuid", game["id"])
    assert {row["question_text"] for row in texts} == {"2 + 2?", "The largest planet?"}
