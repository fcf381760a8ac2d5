"""Operations on entities whose rows are fields alone: merged by the rules of `changes.merge`, and written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from videovault.changes import repository as changes
from videovault.changes.merge import (
    ROWS,
    WHOLE,
    State,
    empty,
    is_row,
    last_change,
    merge,
    state_of_change,
    state_of_record,
)
from videovault.entities import repository as entities
from videovault.entities.registry import ENTITIES
from videovault.entities.repository import RowWrite
from videovault.sync import repository
from videovault.sync.errors import RowNotFound
from videovault.sync.merging import Loss, Status
from videovault.sync.operations import Operation
from webcommon.api.problems import InvalidRequest, Problem

Key = tuple[str, UUID]
"""An entity, and the id of a row."""


async def merge_rows(
    db: AsyncSession, operations: Sequence[Operation], *, caller_id: UUID
) -> tuple[dict[UUID, Status], dict[UUID, Problem]]:
    """Apply operations in order; returns what became of each, and why others are refused. Raises IntegrityError when another
    transaction made one of the rows."""
    statuses: dict[UUID, Status] = {}
    refusals: dict[UUID, Problem] = {}
    if not operations:
        return statuses, refusals
    owners = {_owner_of(operation.entity, caller_id) for operation in operations}
    for owner in sorted(owners, key=str):
        await entities.lock_owner(db, owner)
    board = await _load(db, operations, caller_id=caller_id)
    for operation in operations:
        try:
            statuses[operation.op_id] = board.apply(operation)
        except Problem as problem:
            refusals[operation.op_id] = problem
    for entity in ROWS:
        await _write(db, entity, board, caller_id=caller_id)
    await repository.log_changes(db, str(caller_id), rows=[*board.logged(caller_id)])
    return statuses, refusals


def _owner_of(entity: str, caller_id: UUID) -> UUID | None:
    return caller_id if ENTITIES[entity].is_own else None


@dataclass(kw_only=True)
class _Board:
    """The states of the rows of a batch. `living` and `deleted` are those in the tables; `foreign` are of other users; `known` are
    what rows may refer to."""

    caller_id: UUID
    living: set[Key] = field(default_factory=set)
    deleted: set[Key] = field(default_factory=set)
    foreign: set[Key] = field(default_factory=set)
    known: set[Key] = field(default_factory=set)
    before: dict[Key, State] = field(default_factory=dict)
    states: dict[Key, State] = field(default_factory=dict)
    fields: list[Operation] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, key: Key, record: Mapping[str, Any], *, deleted: str = "") -> None:
        """Note a row that there is, or was."""
        state = state_of_record(record, at="")
        state["deleted"] = deleted
        self.before[key] = self.states[key] = state
        (self.deleted if deleted else self.living).add(key)

    def apply(self, operation: Operation) -> Status:
        """Merge an operation. Raises `RowNotFound`, and `InvalidRequest` for a change of what stays as it is."""
        key = (operation.entity, operation.id)
        before = self.states.get(key)
        is_made = operation.field == WHOLE and operation.value is not None
        if key in self.foreign or (before is None and not is_made):
            raise RowNotFound("You have none of this id.")
        if before is None:
            self._check_references(operation)
            self._check_room(operation)
        before = before or empty()
        change = state_of_change(operation.entity, operation.field, operation.value, at=operation.at)
        after = merge(before, change)
        for name in ENTITIES[operation.entity].fixed & before["fields"].keys():
            if before["fields"][name]["value"] != after["fields"][name]["value"]:
                raise InvalidRequest("this never changes", pointer=f"#/value/{name}")
        self.states[key] = after
        if operation.field != WHOLE:
            self.fields.append(operation)
        return "applied" if self._holds(operation) else "superseded"

    def _check_references(self, operation: Operation) -> None:
        for name, entity in ENTITIES[operation.entity].refers.items():
            key = (entity, UUID(operation.value[name]))
            if key not in self.known and key not in self.states:
                raise RowNotFound(f"`{name}` names nothing that you have.", pointer=f"#/value/{name}")

    def _check_room(self, operation: Operation) -> None:
        rows = ENTITIES[operation.entity]
        if rows.most is None:
            return
        within = str(operation.value[rows.within] if rows.within else self.caller_id)
        counts = self.counts[operation.entity]
        if counts.get(within, 0) >= rows.most:
            raise InvalidRequest(f"There are {rows.most} already.", pointer="#/value")
        counts[within] = counts.get(within, 0) + 1

    def _holds(self, operation: Operation) -> bool:
        state = self.states[operation.entity, operation.id]
        is_there = is_row(state, operation.entity)
        if operation.field != WHOLE:
            return is_there and state["fields"][operation.field]["at"] == operation.at
        if operation.value is None:
            return not is_there
        return is_there and any(register["at"] == operation.at for register in state["fields"].values())

    def changed(self, entity: str) -> Iterator[tuple[UUID, State, bool]]:
        """The rows of an entity that differ: their ids, states, and whether they are there."""
        for key, state in sorted(self.states.items(), key=lambda item: item[0]):
            if key[0] == entity and state != self.before.get(key):
                yield key[1], state, is_row(state, entity)

    def write(self, entity: str, row_id: UUID) -> RowWrite:
        """What is to be written so that a row's fields are those of its state."""
        state, before = self.states[entity, row_id], self.before.get((entity, row_id), empty())
        differ = {
            name: register
            for name, register in state["fields"].items()
            if before["fields"].get(name) != register
        }
        return RowWrite(
            id=row_id,
            values={name: register["value"] for name, register in differ.items()},
            clocks={name: register["at"] for name, register in differ.items()},
            last_at=last_change(state),
        )

    def logged(self, caller_id: UUID) -> Iterator[dict[str, Any]]:
        """What no trigger sees: values that did not hold, and later deletions of what is deleted."""
        for operation in self.fields:
            state = self.states[operation.entity, operation.id]
            register = state["fields"][operation.field]
            if register["at"] != operation.at or not is_row(state, operation.entity):
                yield _row_of_log(Loss(operation=operation, held=register["value"]), caller_id)
        for entity, row_id in sorted(self.deleted):
            state, before = self.states[entity, row_id], self.before[entity, row_id]
            if not is_row(state, entity) and state["deleted"] > before["deleted"]:
                owner = _owner_of(entity, caller_id)
                yield {
                    **{"at": state["deleted"], "entity": entity, "id": str(row_id), "field": WHOLE},
                    **{"old": None, "new": None, "status": "applied", "user_id": owner and str(owner)},
                }


def _row_of_log(loss: Loss, caller_id: UUID) -> dict[str, Any]:
    operation = loss.operation
    owner = _owner_of(operation.entity, caller_id)
    return {
        "at": operation.at,
        "entity": operation.entity,
        "id": str(operation.id),
        "field": operation.field,
        "old": loss.held,
        "new": operation.value,
        "status": "superseded",
        "user_id": owner and str(owner),
    }


async def _load(db: AsyncSession, operations: Sequence[Operation], *, caller_id: UUID) -> _Board:
    board = _Board(caller_id=caller_id)
    ordered = sorted(operations, key=lambda operation: operation.entity)
    for entity, group in groupby(ordered, key=lambda operation: operation.entity):
        ids = {operation.id for operation in group}
        owner = _owner_of(entity, caller_id)
        if ENTITIES[entity].most is not None:
            board.counts[entity] = await entities.count_rows(db, entity, user_id=caller_id)
        rows = await entities.lock_rows(db, entity, ids)
        graves = await entities.lock_deleted(db, entity, ids - rows.keys())
        for row in rows.values():
            board.add((entity, row.id), row.record)
        for grave in graves.values():
            board.add((entity, grave.id), grave.record, deleted=grave.at)
        board.foreign |= {
            (entity, row.id) for row in (*rows.values(), *graves.values()) if row.user_id != owner
        }
    for entity, ids in _references(operations).items():
        found = await entities.find_known(db, entity, ids, user_id=caller_id)
        board.known |= {(entity, each) for each in found}
    return board


def _references(operations: Iterable[Operation]) -> dict[str, set[UUID]]:
    found: dict[str, set[UUID]] = {}
    for operation in operations:
        if operation.field == WHOLE and operation.value is not None:
            for name, entity in ENTITIES[operation.entity].refers.items():
                found.setdefault(entity, set()).add(UUID(operation.value[name]))
    return found


async def _write(db: AsyncSession, entity: str, board: _Board, *, caller_id: UUID) -> None:
    changed = list(board.changed(entity))
    if not changed:
        return
    by = changes.By(actor=str(caller_id))
    living = {row_id for of, row_id in board.living if of == entity}
    graves = {row_id for of, row_id in board.deleted if of == entity}
    dying = {
        row_id: state["deleted"] for row_id, state, is_there in changed if row_id in living and not is_there
    }
    for row_id, at in dying.items():
        await changes.begin(db, changes.By(actor=by.actor, at=at))
        await entities.delete_rows(db, entity, [row_id])
    await changes.begin(db, by)
    buried = {row_id: state["deleted"] for row_id, state, _ in changed if row_id in dying or row_id in graves}
    writes = [board.write(entity, row_id) for row_id in buried]
    await entities.change_deleted(db, entity, writes, deleted=buried)
    there = [row_id for row_id, _, is_there in changed if is_there]
    await entities.put_back(db, entity, [row_id for row_id in there if row_id in graves])
    made = [row_id for row_id in there if row_id not in living and row_id not in graves]
    await entities.insert_rows(
        db,
        entity,
        [board.write(entity, row_id) for row_id in made],
        user_id=_owner_of(entity, caller_id),
    )
    kept = [row_id for row_id in there if row_id in living]
    await entities.write_fields(db, entity, [board.write(entity, row_id) for row_id in kept])
