"""The description of the live channel."""

import json
from pathlib import Path
from typing import Any, get_args

import httpx
import jsonschema_rs
import pytest

from l2p.live.messages import SERVER_MESSAGES
from l2p.log.events import EventType
from tests import third_party
from tests.services.l2p.described import NotAsDescribed, check_frame

SCHEMA = Path(third_party.__file__).parent / "asyncapi/3.0.0.json"


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/asyncapi.json")
    assert response.status_code == 200
    described: dict[str, Any] = response.json()
    return described


async def test_the_document_is_one_of_asyncapi_3(document: dict[str, Any]) -> None:
    published = jsonschema_rs.Draft7Validator(json.loads(SCHEMA.read_text()))
    published.validate(document)
    for broken in (
        {**document, "asyncapi": "2.0.0"},
        {**document, "channels": {"lobby": {"place": "/"}}},
        {**document, "operations": {"send": {"action": "sends", "channel": {"$ref": "#/channels/lobby"}}}},
    ):
        with pytest.raises(jsonschema_rs.ValidationError):
            published.validate(broken)


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in find_references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert isinstance(place, dict), reference


def find_references(part: Any) -> set[str]:
    """All `$ref` of a part of the document."""
    if isinstance(part, list):
        return set().union(*map(find_references, part))
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return own.union(*map(find_references, part.values()))


def test_every_event_of_the_log_is_described() -> None:
    assert set(get_args(EventType)) <= set(SERVER_MESSAGES)


def test_a_frame_that_is_not_described_is_noticed() -> None:
    left = {"user_id": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "reason": "left"}
    event = {"type": "player.left", "seq": 1, "at": "2026-11-30T12:00:00Z", "data": left}
    check_frame(event)
    check_frame([event, event])
    wrong: list[Any] = [
        {},
        "x",
        {**event, "type": "player.lost"},
        {**event, "seq": "1"},
        {**event, "data": {**left, "more": 1}},
        {**event, "data": {"reason": "left"}},
        [event, {**event, "data": {}}],
    ]
    for frame in wrong:
        with pytest.raises(NotAsDescribed):
            check_frame(frame)
