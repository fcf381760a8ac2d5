"""The description of the live channel."""

from typing import Any, get_args

import httpx
import jsonschema_rs
import pytest

from l2p.live.messages import SERVER_MESSAGES
from l2p.log.events import EventType
from tests.services.l2p.described import NotAsDescribed, check_frame

TEXT = {"type": "string", "minLength": 1}
REFERENCE = {
    "type": "object",
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "required": ["$ref"],
    "additionalProperties": False,
}


def fixed(required: list[str], **fields: Any) -> dict[str, Any]:
    """An object with these fixed fields, as the specification calls them, and no others."""
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def keyed(value: dict[str, Any]) -> dict[str, Any]:
    """An object with any keys, and such values."""
    return {"type": "object", "minProperties": 1, "additionalProperties": value}


ASYNCAPI_3 = fixed(
    ["asyncapi", "info", "channels", "operations", "components"],
    asyncapi={"const": "3.0.0"},
    info=fixed(["title", "version"], title=TEXT, version=TEXT, description=TEXT),
    defaultContentType={"const": "application/json"},
    servers=keyed(fixed(["host", "protocol"], host=TEXT, protocol={"enum": ["ws", "wss", "http", "https"]})),
    channels=keyed(
        fixed(
            ["address", "messages"],
            address={"type": "string", "pattern": "^/"},
            title=TEXT,
            summary=TEXT,
            description=TEXT,
            parameters=keyed(fixed([], description=TEXT)),
            messages=keyed(REFERENCE),
            bindings=keyed({"type": "object"}),
        )
    ),
    operations=keyed(
        fixed(
            ["action", "channel"],
            action={"enum": ["send", "receive"]},
            channel=REFERENCE,
            title=TEXT,
            summary=TEXT,
            description=TEXT,
            messages={"type": "array", "items": REFERENCE, "minItems": 1},
        )
    ),
    components=fixed(
        ["messages", "schemas"],
        messages=keyed(
            fixed(["payload"], name=TEXT, title=TEXT, summary=TEXT, description=TEXT, payload=REFERENCE)
        ),
        schemas=keyed({"type": "object"}),
    ),
)
"""The objects of AsyncAPI 3.0.0 that the document uses, with the fields that the specification has for them."""


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/asyncapi.json")
    assert response.status_code == 200
    described: dict[str, Any] = response.json()
    return described


async def test_the_document_is_one_of_asyncapi_3(document: dict[str, Any]) -> None:
    specified = jsonschema_rs.Draft7Validator(ASYNCAPI_3)
    specified.validate(document)
    for broken in (
        {**document, "asyncapi": "2.0.0"},
        {**document, "channels": {"lobby": {"place": "/"}}},
        {**document, "operations": {"send": {"action": "sends", "channel": {"$ref": "#/channels/lobby"}}}},
    ):
        with pytest.raises(jsonschema_rs.ValidationError):
            specified.validate(broken)


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
