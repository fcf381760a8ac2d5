"""What operations make of the videos that they are about, and what is to be written for that. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from videovault.changes.merge import (
    METADATA,
    WHOLE,
    Register,
    State,
    empty,
    is_alive,
    last_change,
    merge,
    read_metadata,
    state_of_change,
)
from videovault.errors import VideoNotFound
from videovault.records.repository import COLUMNS, FieldWrite, TagWrite
from videovault.sync.operations import Operation
from videovault.videos.errors import PathTaken
from videovault.videos.schemas import MAX_TAGS
from webcommon.api.problems import InvalidRequest

Status = Literal["applied", "superseded"]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A value that did not hold, for the log: `held` is what did."""

    operation: Operation
    held: Any


@dataclass
class Board:
    """The states of the videos of a batch, and who has which path."""

    before: Mapping[UUID, State]
    owners: dict[str, UUID]
    states: dict[UUID, State] = field(default_factory=dict)
    fields: list[Operation] = field(default_factory=list)
    """The operations on fields, in order."""

    def __post_init__(self) -> None:
        self.states = dict(self.before)

    def apply(self, operation: Operation) -> Status:
        """Merge an operation. Raises `VideoNotFound`, `PathTaken`, and `InvalidRequest` for a tag too many."""
        before = self.states.get(operation.id)
        if before is None and (
            operation.entity != "video" or operation.field != WHOLE or not operation.value
        ):
            raise VideoNotFound("The video was never recorded here.")
        before = before or empty()
        change = state_of_change(operation.entity, operation.field, operation.value, at=operation.at)
        after = merge(before, change)
        if _count_tags(after) > max(MAX_TAGS, _count_tags(before)):
            raise InvalidRequest(f"A video has at most {MAX_TAGS} tags.", pointer="#/value/adds")
        self._take_path(operation.id, _path_of(before), _path_of(after))
        self.states[operation.id] = after
        if operation.entity == "video" and operation.field != WHOLE:
            self.fields.append(operation)
        return "applied" if _holds(after, operation) else "superseded"

    def _take_path(self, video_id: UUID, old: str | None, new: str | None) -> None:
        if new == old:
            return
        if new is not None and self.owners.get(new, video_id) != video_id:
            raise PathTaken("Another video has this path.")
        if old is not None and self.owners.get(old) == video_id:
            del self.owners[old]
        if new is not None:
            self.owners[new] = video_id

    def losses(self) -> list[Loss]:
        """The values of fields that did not hold, or that a later operation of the batch replaced."""
        return [
            Loss(operation=operation, held=register["value"])
            for operation in self.fields
            if (register := self.states[operation.id]["fields"][operation.field])["at"] != operation.at
            or not is_alive(self.states[operation.id])
        ]


def _count_tags(state: State) -> int:
    return sum(bool(tag["adds"]) for tag in state["tags"].values())


def _path_of(state: State) -> str | None:
    return state["fields"]["file_path"]["value"] if is_alive(state) else None


def _holds(state: State, operation: Operation) -> bool:
    if operation.entity == "tag":
        adds = operation.value["adds"]
        holding = state["tags"][operation.field]["adds"]
        return not adds or (is_alive(state) and all(at in holding for at in adds))
    if operation.field != WHOLE:
        return is_alive(state) and state["fields"][operation.field]["at"] == operation.at
    if operation.value is None:
        return not is_alive(state)
    return is_alive(state) and any(register["at"] == operation.at for register in state["fields"].values())


def changed_fields(before: State, after: State) -> dict[str, Register]:
    """The fields that differ."""
    return {
        name: register
        for name, register in after["fields"].items()
        if before["fields"].get(name) != register and (name in COLUMNS or name.startswith(METADATA))
    }


def field_write(video_id: UUID, before: State, after: State) -> FieldWrite | None:
    """What is to be written so that the fields are those of `after`."""
    changed = changed_fields(before, after)
    if not changed:
        return None
    values = {name: register["value"] for name, register in changed.items() if name in COLUMNS}
    if any(name.startswith(METADATA) for name in changed):
        values["metadata"] = read_metadata(after)
    clocks = {name: register["at"] for name, register in changed.items()}
    return FieldWrite(id=video_id, values=values, clocks=clocks, last_at=last_change(after))


def tag_writes(video_id: UUID, before: State, after: State) -> list[TagWrite]:
    """What is to be written so that the tags are those of `after`."""
    writes = []
    for name, tag in after["tags"].items():
        known = before["tags"].get(name, {"adds": {}, "removes": []})
        adds = {at: spelling for at, spelling in tag["adds"].items() if at not in known["adds"]}
        removes = [at for at in tag["removes"] if at not in known["removes"]]
        if adds or removes:
            writes.append(TagWrite(video_id=video_id, tag=name, adds=adds, removes=removes))
    return writes
