"""How changes of one thing that were made apart are merged. Pure: the browser app has the same rules and test vectors.

The state of a video, and of a row of another entity (`ROWS`), is a join of its changes, so that their order and repeats do not matter:

- a field (a key of the metadata is one) has the value of its latest change;
- a tag is a set of adds, each known by its hybrid time; a removal names the adds that its maker had seen, so an add that it
  had not seen stays. The tag is there while an add is left, and is spelt as the last of them says;
- a deletion holds against all changes that are not later; one that is later brings the video back whole. A removal of a tag
  brings nothing back. A viewing of a user who deleted the history comes back by an undo alone.

A hybrid time is compared as text. A value null of a key of the metadata means that the key is not there.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

WHOLE = "*"
"""The field of a change that makes or deletes a video. In `clocks`: the time of all fields that are not listed."""

PUT_BACK = "+"
"""In `clocks`: when a deleted video was put back as it was."""

METADATA = "metadata/"
"""What the name of a field begins with that is a key of the metadata."""

ROWS: Mapping[str, frozenset[str]] = {
    "mine": frozenset({"video_id"}),
    "viewing": frozenset({"video_id", "session_id", "position_seconds", "watched_at"}),
    "saved_filter": frozenset({"name", "query"}),
    "playlist": frozenset({"name"}),
    "playlist_item": frozenset({"playlist_id", "video_id", "position"}),
    "tag_alias": frozenset({"tag_category", "alias", "tag_name"}),
    "tag_parent": frozenset({"tag_category", "tag_name", "parent_category", "parent_name"}),
}
"""The entities whose rows are fields alone, and the fields without which there is no row."""

FINAL = frozenset({"viewing"})
"""The entities of which no later change brings back what was deleted."""


class Register(TypedDict):
    """A value, and when it was written."""

    at: str
    value: Any


class TagState(TypedDict):
    """The adds of a tag that hold, `{time: [category, name]}`, and the times of those that were removed."""

    adds: dict[str, list[str]]
    removes: list[str]


class State(TypedDict):
    """What is known of a video; `put` and `deleted` are times, or empty."""

    fields: dict[str, Register]
    tags: dict[str, TagState]
    put: str
    deleted: str


def empty() -> State:
    """The state of a video of which nothing is known."""
    return {"fields": {}, "tags": {}, "put": "", "deleted": ""}


def merge(one: State, other: State) -> State:
    """Both states together. Commutative, associative and idempotent."""
    fields = dict(one["fields"])
    for name, register in other["fields"].items():
        fields[name] = max(fields.get(name, register), register, key=_rank)
    tags = dict(one["tags"])
    for name, tag in other["tags"].items():
        tags[name] = _merge_tags(tags[name], tag) if name in tags else tag
    return {
        "fields": fields,
        "tags": tags,
        "put": max(one["put"], other["put"]),
        "deleted": max(one["deleted"], other["deleted"]),
    }


def _rank(register: Register) -> tuple[str, str]:
    # A time is of one device and one change; the value decides only where a device broke that.
    return register["at"], json.dumps(register["value"], sort_keys=True)


def _merge_tags(one: TagState, other: TagState) -> TagState:
    return _tag(one["adds"] | other["adds"], [*one["removes"], *other["removes"]])


def _tag(adds: Mapping[str, list[str]], removes: Iterable[str]) -> TagState:
    removed = set(removes)
    return {
        "adds": {at: spelling for at, spelling in adds.items() if at not in removed},
        "removes": sorted(removed),
    }


def state_of_change(entity: str, field: str, value: Any, *, at: str) -> State:
    """What one change says, as operations and pulled changes are written."""
    state = empty()
    if entity == "tag":
        state["tags"][field] = _tag(value.get("adds", {}), value.get("removes", ()))
    elif field != WHOLE:
        state["fields"][field] = {"at": at, "value": value}
    elif value is None:
        state["deleted"] = at
    else:
        return state_of_record(value, at=at)
    return state


def state_of_record(record: Mapping[str, Any], *, at: str) -> State:
    """What a whole record says: each field with its time in `clocks`, and `at` without one."""
    clocks: Mapping[str, str] = record.get("clocks") or {}
    base = clocks.get(WHOLE, at)
    values = {name: value for name, value in record.items() if name not in {"metadata", "clocks"}}
    values |= {METADATA + key: value for key, value in (record.get("metadata") or {}).items()}
    # A key that was removed is known by its time alone.
    values |= {name: None for name in clocks if name.startswith(METADATA) and name not in values}
    state = empty()
    state["fields"] = {name: {"at": clocks.get(name, base), "value": value} for name, value in values.items()}
    state["put"] = clocks.get(PUT_BACK, "")
    return state


def last_change(state: State) -> str:
    """The time of the latest change that can bring a video back; empty without one."""
    times = [state["put"], *(register["at"] for register in state["fields"].values())]
    for tag in state["tags"].values():
        times += [*tag["adds"], *tag["removes"]]
    return max(times)


def is_alive(state: State) -> bool:
    """Whether the video is there."""
    return "file_path" in state["fields"] and last_change(state) > state["deleted"]


def read_record(state: State) -> dict[str, Any] | None:
    """The video as it is shown, its tags as `[category, name]` in the order of their folded names; None when it is deleted."""
    if not is_alive(state):
        return None
    fields = {name: register["value"] for name, register in state["fields"].items()}
    record = {name: value for name, value in fields.items() if not name.startswith(METADATA)}
    record["metadata"] = read_metadata(state)
    record["tags"] = [spelling_of(tag) for _, tag in sorted(state["tags"].items()) if tag["adds"]]
    return record


def is_row(state: State, entity: str) -> bool:
    """Whether a row of one of the `ROWS` is there."""
    if not ROWS[entity] <= state["fields"].keys():
        return False
    is_back = state["put"] if entity in FINAL else last_change(state)
    return not state["deleted"] or is_back > state["deleted"]


def read_row(state: State, entity: str) -> dict[str, Any] | None:
    """The fields that were ever given of a row of one of the `ROWS`; None when it is not there."""
    if not is_row(state, entity):
        return None
    return {name: register["value"] for name, register in state["fields"].items()}


def read_metadata(state: State) -> dict[str, Any]:
    """The metadata that a state's fields make."""
    return {
        name.removeprefix(METADATA): register["value"]
        for name, register in state["fields"].items()
        if name.startswith(METADATA) and register["value"] is not None
    }


def spelling_of(tag: TagState) -> list[str]:
    """Category and name of a tag that is there, as its last add spells them."""
    return tag["adds"][max(tag["adds"])]
