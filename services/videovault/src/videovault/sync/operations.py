"""Operations of devices: how they are read, and which entities and fields they may change."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from videovault.changes.merge import METADATA, ROWS, WHOLE
from videovault.dependencies import refuse_readers
from videovault.entities import registry
from videovault.history.schemas import SYNCED as VIEWING_FIELDS
from videovault.mine.schemas import SYNCED as MINE_FIELDS
from videovault.models import Entity, own_id
from videovault.playlists.schemas import SYNCED_ITEM as ITEM_FIELDS
from videovault.playlists.schemas import SYNCED_PLAYLIST as PLAYLIST_FIELDS
from videovault.saved_filters.schemas import SYNCED as FILTER_FIELDS
from videovault.sync.errors import ClockAhead, UnknownEntity
from videovault.videos.errors import PathTooLong
from videovault.videos.schemas import (
    Category,
    Description,
    Hash,
    MediaType,
    Name,
    NewVideo,
    Path,
    Seconds,
    Size,
    TagWord,
    Title,
)
from webcommon.api.problems import InvalidRequest
from webcommon.api.schemas import JsonObject, Text
from webcommon.auth.bearer import Caller

AHEAD_MS = 36 * 3600 * 1000
"""How far the clock of a device may be ahead."""

LONGEST_PATH = 2600
"""Bytes of a path in an operation: what its index holds surely."""

_TIME = re.compile(r"(\d{1,13})-(\d{1,5})-([A-Za-z0-9_]{1,40})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation that is valid; what it changes may still lose, or be in the way of another."""

    op_id: UUID
    entity: Entity
    id: UUID
    field: str
    value: Any
    at: str


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


_FIELDS: Mapping[str, TypeAdapter[Any]] = {
    "file_path": _adapter(Path),
    "file_name": _adapter(Name),
    "file_size": _adapter(Size),
    "mime_type": _adapter(MediaType),
    "duration_seconds": _adapter(Seconds | None),
    "title": _adapter(Title | None),
    "description": _adapter(Description | None),
    "hash": _adapter(Hash | None),
}
_KEY, _OBJECT = _adapter(Text), _adapter(JsonObject)
_ID, _CATEGORY, _TAG_NAME = _adapter(UUID), _adapter(Category), _adapter(TagWord)


def read_time(at: Any) -> str:
    """A hybrid time with all its digits. Raises `InvalidRequest`."""
    match = _TIME.fullmatch(at) if isinstance(at, str) else None
    if match is None or match[3] == "server":
        raise InvalidRequest(
            "write it as ms-counter-device; the device `server` is the service", pointer="#/at"
        )
    return f"{int(match[1]):013}-{int(match[2]):05}-{match[3]}"


def read_operation(op_id: UUID, given: Mapping[str, Any], *, caller: Caller, now_ms: int) -> Operation:
    """An operation as it was sent. Raises the `Problem` for which it is refused."""
    rules = ENTITIES.get(str(given.get("entity")))
    if rules is None:
        raise UnknownEntity("Use one of " + ", ".join(ENTITIES), pointer="#/entity")
    if rules.is_shared:
        refuse_readers(caller)
    at = read_time(given.get("at"))
    if int(at[:13]) > now_ms + AHEAD_MS:
        raise ClockAhead("Set the device's clock, and make the change again.", pointer="#/at")
    field = _checked(_KEY, given.get("field"), pointer="#/field")
    entity_id = _checked(_ID, given.get("id"), pointer="#/id")
    value = rules.read_value(field, given.get("value"), at)
    if field == WHOLE and value is not None and rules.name is not None:
        owner_id = None if rules.is_shared else caller.id
        if entity_id != own_id(rules.entity, owner_id, *rules.name(value)):
            raise InvalidRequest("is not made of what names the row (docs/videovault.md)", pointer="#/id")
    return Operation(op_id=op_id, entity=rules.entity, id=entity_id, field=field, value=value, at=at)


def _checked(adapter: TypeAdapter[Any], value: Any, *, pointer: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise InvalidRequest(error.errors(include_url=False)[0]["msg"], pointer=pointer) from None


def _read_video_value(field: str, value: Any, _at: str) -> Any:
    if field == WHOLE:
        return None if value is None else _read_record(value)
    if field.startswith(METADATA):
        return _checked(_OBJECT, {field.removeprefix(METADATA): value}, pointer="#/value")[
            field.removeprefix(METADATA)
        ]
    if field not in _FIELDS:
        raise InvalidRequest("a device does not write this field", pointer="#/field")
    checked = _checked(_FIELDS[field], value, pointer="#/value")
    if field == "file_path":
        _check_path(checked)
    return checked


def _read_record(value: Any) -> dict[str, Any]:
    video: NewVideo = _checked(_adapter(NewVideo), value, pointer="#/value")
    if video.tags:
        raise InvalidRequest("tags are operations of their own", pointer="#/value/tags")
    _check_path(video.file_path)
    record = video.model_dump(exclude={"tags"})
    metadata = {key: given for key, given in (video.metadata or {}).items() if given is not None}
    return record | {"metadata": metadata}


def _check_path(path: str) -> None:
    if len(path.encode()) > LONGEST_PATH:
        raise PathTooLong(f"has more than {LONGEST_PATH} bytes", pointer="#/value")


def _read_tag_value(_field: str, value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value or value.keys() - {"adds", "removes"}:
        raise InvalidRequest('write {"adds": {at: [category, name]}, "removes": [at]}', pointer="#/value")
    adds, removes = value.get("adds", {}), value.get("removes", [])
    if not isinstance(removes, list) or not all(map(_is_time, removes)):
        raise InvalidRequest("is no list of the times of adds", pointer="#/value/removes")
    if not isinstance(adds, dict) or [_normal(each) for each in adds] not in ([], [at]):
        raise InvalidRequest("an add has the time of its operation", pointer="#/value/adds")
    return {"adds": {at: _read_spelling(*adds.values())} if adds else {}, "removes": removes}


def _is_time(at: Any) -> bool:
    return isinstance(at, str) and _normal(at) == at


def _normal(at: str) -> str | None:
    match = _TIME.fullmatch(at)
    return match and f"{int(match[1]):013}-{int(match[2]):05}-{match[3]}"


def _read_spelling(spelling: Any) -> list[str]:
    if not isinstance(spelling, list) or len(spelling) != 2:
        raise InvalidRequest("is not [category, name]", pointer="#/value/adds")
    category = _checked(_CATEGORY, spelling[0], pointer="#/value/adds")
    return [category, _checked(_TAG_NAME, spelling[1], pointer="#/value/adds")]


@dataclass(frozen=True, kw_only=True)
class EntityRules:
    """What operations on an entity may be. `is_shared`: it is of the library, which editors write. `name`: what a row's id is
    made of (`own_id`), where two devices may make the same row."""

    entity: Entity
    is_shared: bool
    read_value: Callable[[str, Any, str], Any]
    name: Callable[[Mapping[str, Any]], Sequence[object]] | None = None


def _rows(
    entity: Entity,
    kinds: Mapping[str, Any],
    *,
    name: Callable[[Mapping[str, Any]], Sequence[object]] | None = None,
) -> EntityRules:
    """The rules of an entity whose rows are fields alone: `kinds` are the types of those that devices write."""
    rows, adapters = registry.ENTITIES[entity], {field: _adapter(kind) for field, kind in kinds.items()}

    def read_field(field: str, value: Any, *, pointer: str) -> Any:
        checked = _checked(adapters[field], value, pointer=pointer)
        return adapters[field].dump_python(checked, mode="json")

    def read_value(field: str, value: Any, _at: str) -> Any:
        if field != WHOLE:
            if field not in adapters or field in rows.fixed:
                raise InvalidRequest("a device does not write this field", pointer="#/field")
            return read_field(field, value, pointer="#/value")
        if value is None:
            return None
        if not isinstance(value, dict) or value.keys() - adapters.keys() or ROWS[entity] - value.keys():
            raise InvalidRequest(
                f"write an object with {', '.join(sorted(ROWS[entity]))}; known are {', '.join(adapters)}",
                pointer="#/value",
            )
        return {each: read_field(each, value[each], pointer=f"#/value/{each}") for each in value}

    return EntityRules(entity=entity, is_shared=not rows.is_own, read_value=read_value, name=name)


ENTITIES: Mapping[str, EntityRules] = {
    "video": EntityRules(entity="video", is_shared=True, read_value=_read_video_value),
    # Its id is that of the video.
    "tag": EntityRules(entity="tag", is_shared=True, read_value=_read_tag_value),
    "mine": _rows("mine", MINE_FIELDS, name=lambda value: [value["video_id"]]),
    "viewing": _rows("viewing", VIEWING_FIELDS, name=lambda value: [value["video_id"], value["session_id"]]),
    "saved_filter": _rows("saved_filter", FILTER_FIELDS),
    "playlist": _rows("playlist", PLAYLIST_FIELDS),
    "playlist_item": _rows(
        "playlist_item", ITEM_FIELDS, name=lambda value: [value["playlist_id"], value["video_id"]]
    ),
}
"""The entities that devices write. One whose rows are fields alone is one more row here, and one of `entities.registry`."""
