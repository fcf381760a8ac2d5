"""The description of the live channel as an AsyncAPI 3 document, made of the models of its messages."""

from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from l2p.live.frames import SUBPROTOCOL, ClientMessage
from l2p.live.messages import SERVER_MESSAGES
from l2p.log.events import EventType

_SCHEMAS = "#/components/schemas/"

_DESCRIPTION = f"""\
A web socket with the subprotocol `{SUBPROTOCOL}`; the first message is `auth`, within 5 s. The same address by GET gives the
messages of the server as server-sent events, whose `id` is `seq`.

Closing codes: 1007 a text is not UTF-8, 1009 a message is above 64 KiB, 1012 restart, 1013 the client does not read or the
service has no room, 4401 token, 4403 not allowed or kicked, 4408 too many messages, 4409 the user opened more than five sockets,
4410 the lobby is closed."""


def describe(*, version: str) -> dict[str, Any]:
    """The document."""
    client = {_client_type(model): model for model in get_args(ClientMessage)}
    schemas = _write_schemas(list(client.values()))
    messages: dict[str, Any] = {}
    for name, model in client.items():
        messages[f"client.{name}"] = _write_message(name, model.__doc__, ref=model.__name__)
    for name, models in SERVER_MESSAGES.items():
        schemas[name] = _write_envelope(name, models)
        messages[name] = _write_message(name, models[0].__doc__, ref=name)
    schemas["frame"] = {
        "description": "A message, or with `batch: true` an array of them.",
        "anyOf": [_one_of_messages(), {"type": "array", "items": _one_of_messages()}],
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Learn2Play, the live channel", "version": version, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            "lobby": {
                "address": "/v1/lobbies/{lobby_id}/events",
                "parameters": {"lobby_id": {"description": "The lobby's id."}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "send": _write_operation("send", "What the server sends.", SERVER_MESSAGES),
            "receive": _write_operation(
                "receive", "What clients send.", [f"client.{name}" for name in client]
            ),
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _client_type(model: type[BaseModel]) -> str:
    (name,) = get_args(model.model_fields["type"].annotation)
    return str(name)


def _write_schemas(client: list[type[BaseModel]]) -> dict[str, Any]:
    server = {model for models in SERVER_MESSAGES.values() for model in models}
    _, written = models_json_schema(
        [
            *((model, "validation") for model in client),
            *((model, "serialization") for model in sorted(server, key=lambda model: model.__name__)),
        ],
        ref_template=_SCHEMAS + "{model}",
    )
    schemas: dict[str, Any] = written["$defs"]
    return schemas


def _write_envelope(name: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    data: list[dict[str, Any]] = [{"$ref": _SCHEMAS + model.__name__} for model in models]
    is_logged = name in get_args(EventType)
    return {
        "type": "object",
        "required": ["type", "seq", "at", "data"],
        "properties": {
            "type": {"const": name},
            "seq": {
                "type": ["integer", "null"],
                "description": "Rises by one in the log." if is_logged else "Not an event of the log.",
            },
            "at": {"type": "string", "format": "date-time"},
            "data": data[0] if len(data) == 1 else {"anyOf": data},
        },
    }


def _write_message(name: str, summary: str | None, *, ref: str) -> dict[str, Any]:
    return {"name": name, "summary": summary or name, "payload": {"$ref": _SCHEMAS + ref}}


def _write_operation(action: str, summary: str, names: Any) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/lobby"},
        "messages": [{"$ref": f"#/channels/lobby/messages/{name}"} for name in names],
    }


def _one_of_messages() -> dict[str, Any]:
    return {"anyOf": [{"$ref": _SCHEMAS + name} for name in SERVER_MESSAGES]}
