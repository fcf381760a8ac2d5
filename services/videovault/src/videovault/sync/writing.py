"""Operations that are merged: the states of their videos are read, and what they make of them is written."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from videovault.changes import repository as changes
from videovault.changes.merge import (
    METADATA,
    WHOLE,
    State,
    TagState,
    empty,
    is_alive,
    last_change,
    read_metadata,
    spelling_of,
    state_of_record,
)
from videovault.query.service import index_written
from videovault.records import repository as records
from videovault.records.repository import COLUMNS
from videovault.sync import repository
from videovault.sync.merging import Board, Loss, Status, changed_fields, field_write, tag_writes
from videovault.sync.operations import Operation
from webcommon.api.problems import Problem

DISPLACED = "\x01"
"""What stands behind the path of a missing video whose place another one has taken."""


class PathTakenMeanwhile(Exception):
    """Another transaction took a path that was free; all is to be done anew."""


async def merge_operations(
    db: AsyncSession, operations: Sequence[Operation], *, actor: str
) -> tuple[dict[UUID, Status], dict[UUID, Problem]]:
    """Apply operations in order; returns what became of each, and why others are refused.

    Raises `PathTakenMeanwhile` or IntegrityError when another transaction did.
    """
    statuses: dict[UUID, Status] = {}
    refusals: dict[UUID, Problem] = {}
    if not operations:
        return statuses, refusals
    operations = await _fold(db, operations)
    known = await _load(db, operations)
    board = Board(before=known.states, owners=await _find_owners(db, operations, known.states))
    for operation in operations:
        try:
            statuses[operation.op_id] = board.apply(operation)
        except Problem as problem:
            refusals[operation.op_id] = problem
    await _write(db, board, known, actor=actor)
    return statuses, refusals


async def _fold(db: AsyncSession, operations: Sequence[Operation]) -> list[Operation]:
    """The operations, with the fields of tags as the database folds them."""
    spellings = {}
    for operation in operations:
        if operation.entity == "tag":
            category, _, name = operation.field.partition(":")
            given = list(operation.value["adds"].values()) or [[category, name]]
            spellings[str(operation.op_id)] = given[0]
    folded = await repository.fold_tags(db, spellings)
    return [
        replace(operation, field=folded.get(str(operation.op_id), operation.field))
        for operation in operations
    ]


@dataclass(frozen=True, kw_only=True)
class _Known:
    rows: Mapping[UUID, AnyRow]
    tombstones: Mapping[UUID, AnyRow]
    states: Mapping[UUID, State]


async def _load(db: AsyncSession, operations: Sequence[Operation]) -> _Known:
    ids = {operation.id for operation in operations}
    rows = await records.lock_videos(db, ids)
    tombstones = await records.lock_deleted(db, ids - rows.keys())
    # One that was put back between the two statements.
    rows |= await records.lock_videos(db, ids - rows.keys() - tombstones.keys())
    tags = await records.read_tags(db, rows)
    states = {row.id: _state(row._asdict(), tags.get(row.id, {}), deleted="") for row in rows.values()}
    for dead in tombstones.values():
        held = {f"{tag['folded_category']}:{tag['folded_name']}": tag["dots"] for tag in dead.tags}
        states[dead.id] = _state(dead.record, held, deleted=dead.at)
    for removed in await records.read_removed_tags(db, states):
        tag = states[removed.video_id]["tags"].setdefault(removed.tag, {"adds": {}, "removes": []})
        tag["removes"].append(removed.at)
    return _Known(rows=rows, tombstones=tombstones, states=states)


def _state(row: Mapping[str, Any], tags: Mapping[str, dict[str, list[str]]], *, deleted: str) -> State:
    record = {name: row[name] for name in (*COLUMNS, "metadata", "clocks")}
    record["file_path"] = record["file_path"].partition(DISPLACED)[0]
    state = state_of_record(record, at="")
    state["tags"] = {name: {"adds": dict(adds), "removes": []} for name, adds in tags.items()}
    state["deleted"] = deleted
    return state


async def _find_owners(
    db: AsyncSession, operations: Sequence[Operation], states: Mapping[UUID, State]
) -> dict[str, UUID]:
    paths = [state["fields"]["file_path"]["value"] for state in states.values()]
    for operation in operations:
        if operation.entity == "video" and operation.field == "file_path":
            paths.append(operation.value)
        elif operation.entity == "video" and operation.field == WHOLE and operation.value:
            paths.append(operation.value["file_path"])
    return await repository.find_owners(db, paths)


Pairs = Mapping[UUID, tuple[State, State]]
"""Of videos that differ, the states before and after."""


async def _write(db: AsyncSession, board: Board, known: _Known, *, actor: str) -> None:
    """Write what differs. What frees a path comes before what takes one."""
    pairs = {
        video_id: (known.states.get(video_id, empty()), after)
        for video_id, after in sorted(board.states.items())
        if known.states.get(video_id) != after
    }
    dead = {video_id for video_id, (_, after) in pairs.items() if not is_alive(after)}
    by = changes.By(actor=actor)
    for video_id in sorted(dead & known.rows.keys()):
        await changes.begin(db, replace(by, at=pairs[video_id][1]["deleted"]))
        await records.delete_videos(db, [video_id])
    await changes.begin(db, by)
    stay = known.rows.keys() & pairs.keys() - dead
    await records.displace(db, [each for each in stay if "file_path" in changed_fields(*pairs[each])])
    buried = pairs.keys() & (dead | known.tombstones.keys())
    await _write_tombstones(db, {each: pairs[each] for each in buried}, dead=dead)
    returning = known.tombstones.keys() & pairs.keys() - dead
    if returning and await records.put_back(db, returning) != returning:
        raise PathTakenMeanwhile
    made = pairs.keys() - dead - stay - returning
    inserted = await records.insert_videos(db, (_new_row(each, pairs[each][1]) for each in sorted(made)))
    if set(inserted.values()) != made:
        raise PathTakenMeanwhile
    await records.write_fields(
        db, [write for each in sorted(stay) if (write := field_write(each, *pairs[each]))]
    )
    alive = sorted(stay | returning | made)
    await records.merge_tags(db, [write for each in alive for write in tag_writes(each, *pairs[each])])
    await repository.log_changes(
        db,
        actor,
        rows=[*map(_log_loss, board.losses()), *_log_buried(pairs, dead & known.tombstones.keys(), dead)],
    )
    await index_written(db, alive)


async def _write_tombstones(db: AsyncSession, pairs: Pairs, *, dead: Collection[UUID]) -> None:
    """Merge into what deleted videos were. Tags of those that come back are written afterwards."""
    rows, removed = [], []
    for video_id, tombstone in (await records.lock_deleted(db, pairs)).items():
        before, after = pairs[video_id]
        write = field_write(video_id, before, after)
        record: dict[str, Any] = {}
        if write:
            clocks = tombstone.record["clocks"] | dict(write.clocks)
            record = {"clocks": clocks, "updated_at": datetime.now(UTC).isoformat(), **write.values}
        is_dead = video_id in dead
        tags = _bury_tags(tombstone, after) if is_dead else tombstone.tags
        rows.append(
            {
                "id": str(video_id),
                "at": after["deleted"],
                "last_at": last_change(after),
                "record": record,
                "tags": tags,
            }
        )
        if is_dead:
            removed += [
                {"video_id": str(video_id), "tag": each.tag, "at": at}
                for each in tag_writes(video_id, before, after)
                for at in each.removes
            ]
    await repository.change_tombstones(db, rows, removed=removed)


def _bury_tags(tombstone: AnyRow, after: State) -> list[dict[str, Any]]:
    kept = {f"{tag['folded_category']}:{tag['folded_name']}": tag for tag in tombstone.tags}
    return [
        _buried_tag(tombstone, kept.get(name), name, tag)
        for name, tag in after["tags"].items()
        if tag["adds"]
    ]


def _buried_tag(
    tombstone: AnyRow, kept: Mapping[str, Any] | None, name: str, tag: TagState
) -> dict[str, Any]:
    category, spelt = spelling_of(tag)
    folded_category, _, folded_name = name.partition(":")
    new = {
        "id": str(new_id()),
        "video_id": str(tombstone.id),
        "folded_category": folded_category,
        "folded_name": folded_name,
        "created_at": datetime.now(UTC).isoformat(),
    }
    return {**(kept or new), "tag_category": category, "tag_name": spelt, "dots": tag["adds"]}


def _new_row(video_id: UUID, state: State) -> dict[str, Any]:
    fields = state["fields"]
    base = fields["file_path"]["at"]
    values = {name: register["value"] for name, register in fields.items() if name in COLUMNS}
    clocks = {
        name: register["at"]
        for name, register in fields.items()
        if register["at"] != base or (name.startswith(METADATA) and register["value"] is None)
    }
    return {
        **dict.fromkeys(COLUMNS),
        **values,
        "id": video_id,
        "metadata": read_metadata(state),
        "clocks": clocks | {WHOLE: base},
        "last_at": last_change(state),
    }


def _log_loss(loss: Loss) -> dict[str, Any]:
    operation = loss.operation
    return {
        "at": operation.at,
        "entity": "video",
        "id": str(operation.id),
        "field": operation.field,
        "old": loss.held,
        "new": operation.value,
        "status": "superseded",
    }


def _log_buried(pairs: Pairs, ids: Collection[UUID], dead: Collection[UUID]) -> Iterator[dict[str, Any]]:
    """What other devices are to know of deleted videos: later deletions of `ids`, and adds of tags that were removed."""
    for video_id in sorted(dead):
        before, after = pairs[video_id]
        row = {"at": after["deleted"], "id": str(video_id), "new": None, "status": "applied"}
        if video_id in ids and after["deleted"] > before["deleted"]:
            yield row | {"entity": "video", "field": WHOLE, "old": None}
        for write in tag_writes(video_id, before, after):
            if write.removes:
                spelling = write.tag.split(":", 1)
                yield row | {
                    "entity": "tag",
                    "field": write.tag,
                    "old": dict.fromkeys(write.removes, spelling),
                }
