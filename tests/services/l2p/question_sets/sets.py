"""Question sets of the tests, and their requests."""

from typing import Any

import httpx

from tests.services.l2p.players import Player

SUM: dict[str, Any] = {
    "question_text": "2 + 2?",
    "options": ["3", "4"],
    "correct_answer": "4",
    "points": 500,
    "time_limit_ms": 10_000,
    "explanation": "Count.",
}
PLANET: dict[str, Any] = {
    "question_text": "The largest planet?",
    "options": ["Mars", "Jupiter", "Venus"],
    "correct_answer": "Jupiter",
}
PATH = "/v1/question-sets"


async def create_set(player: Player, **fields: Any) -> dict[str, Any]:
    """A new set of this player."""
    response = await player.post(PATH, {"title": "Sums", "questions": [SUM, PLANET]} | fields)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"{PATH}/{made['id']}"
    return made


async def upload(
    player: Player, content: bytes | str, *, name: str = "quiz", title: str | None = None, **query: Any
) -> httpx.Response:
    """Import a file as this player."""
    content = content.encode() if isinstance(content, str) else content
    return await player.client.post(
        f"{PATH}/import",
        params=query,
        files={"file": (name, content)},
        data={} if title is None else {"title": title},
        headers=player.headers,
    )


async def imported(player: Player, content: bytes | str, **query: Any) -> list[dict[str, Any]]:
    """The questions that an import without warnings stored."""
    response = await upload(player, content, **query)
    assert response.status_code == 201, response.text
    body = response.json()
    assert (body["warnings"], body["skipped"]) == ([], 0)
    questions: list[dict[str, Any]] = (await player.get(f"{PATH}/{body['id']}")).json()["questions"]
    assert len(questions) == body["imported"]
    return questions


async def export(player: Player, set_id: str, form: str) -> bytes:
    """The file of one's own set."""
    response = await player.get(f"{PATH}/{set_id}/export", format=form)
    assert response.status_code == 200, response.text
    return response.content
