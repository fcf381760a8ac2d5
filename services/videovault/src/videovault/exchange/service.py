"""The rules of exports and imports."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any, Literal
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.models import new_id
from videovault.changes import repository as changes
from videovault.exchange import repository
from videovault.exchange.errors import InvalidImport
from videovault.exchange.kinds import KINDS
from videovault.exchange.schemas import ImportResult
from webcommon.auth.bearer import Caller
from webcommon.turns import Turns

Mode = Literal["replace", "merge"]

VERSION = 1
"""Of the format."""

CHUNK = 256 * 1024
"""Bytes of an export that are sent at once."""

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4 * 1024 * 1024
"""Rows of an import, and bytes of them, that are in memory."""

_AS_IT_IS = "-"

_COLUMNS = {kind.name: frozenset(kind.columns) for kind in KINDS}


async def write_export(database: Database, *, caller: Caller, is_whole: bool) -> AsyncIterator[bytes]:
    """The lines of an export, in parts. They are all of one moment and wait in a file, not in a transaction."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - open until the last part is sent
    try:
        count = 0
        async with database.transaction() as db:
            async for lines in repository.read_lines(db, caller.id, is_whole=is_whole):
                count += len(lines)
                await asyncio.to_thread(_write, file, lines)
        await asyncio.to_thread(file.seek, 0)
    except BaseException:
        file.close()
        raise
    return _read(file, {"kind": "export", "version": VERSION, "rows": count})


def _write(file: IO[bytes], lines: list[str]) -> None:
    file.write("".join(f"{line}\n" for line in lines).encode())


async def _read(file: IO[bytes], header: dict[str, Any]) -> AsyncIterator[bytes]:
    with file:
        yield json.dumps(header).encode() + b"\n"
        while part := await asyncio.to_thread(file.read, CHUNK):
            yield part


async def read_import(
    database: Database, lines: AsyncIterator[list[bytes | None]], *, mode: Mode, caller: Caller
) -> ImportResult:
    """Import the lines of an export, all in one transaction. Raises `InvalidImport`."""
    run = new_id()
    try:
        rows = await _stage(database, run, lines)
        with _refusing("A row does not fit: one comes twice, lacks a value, or has one of another type."):
            imported = await _store(database, run, mode=mode, caller=caller)
    except DatabaseError:
        raise  # what is left is forgotten by a later import
    except BaseException:
        async with database.transaction() as db:
            await repository.discard(db, run)
        raise
    return ImportResult(rows=rows, imported=imported)


@contextlib.contextmanager
def _refusing(detail: str) -> Iterator[None]:
    """Raises `InvalidImport` where the database takes a value for a wrong one (SQLSTATE classes 22 and 23)."""
    try:
        yield
    except DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", ""))[:2] not in ("22", "23"):
            raise
        raise InvalidImport(detail) from error


async def _stage(database: Database, run: UUID, lines: AsyncIterator[list[bytes | None]]) -> int:
    expected: int | None = None
    staged = number = size = 0
    turns, part = Turns(), list[tuple[int, str, str]]()
    async for some in lines:
        for line in some:
            await turns.pass_on()
            number += 1
            if expected is None:
                expected = _read_header(line)
                continue
            part.append((number, *_read_row(line, number)))
            size += len(line or b"")
            if len(part) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
                staged += await _flush(database, run, part)
                size = 0
    staged += await _flush(database, run, part)
    if staged != expected:
        raise InvalidImport(
            f"It has {staged:,} rows and not those that its first line says: it is not whole."
        )
    return staged


def _read_header(line: bytes | None) -> int:
    header = _parse(line, 1)
    rows = header.get("rows")
    if header.get("kind") != "export" or header.get("version") != VERSION or not isinstance(rows, int):
        raise InvalidImport("The first line is not that of an export of this version.")
    return rows


def _read_row(line: bytes | None, number: int) -> tuple[str, str]:
    row = _parse(line, number)
    kind = row.pop("kind", None)
    columns = _COLUMNS.get(kind) if isinstance(kind, str) else None
    if columns is None or row.keys() != columns:
        raise InvalidImport(f"Line {number:,} is no row of an export.")
    return str(kind), json.dumps(row)


def _parse(line: bytes | None, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line or b"")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidImport(f"Line {number:,} is no JSON object, or too long.")
    return value


async def _flush(database: Database, run: UUID, part: list[tuple[int, str, str]]) -> int:
    count = len(part)
    if count:
        with _refusing("A text holds what PostgreSQL cannot store: NUL, or half of a pair."):
            async with database.transaction() as db:
                await repository.stage(db, run, part)
        part.clear()
    return count


async def _store(database: Database, run: UUID, *, mode: Mode, caller: Caller) -> dict[str, int]:
    actor = str(caller.id)
    imported = {}
    async with database.transaction() as db:
        await repository.begin_storing(db)
        await changes.begin(db, changes.By(actor=actor))
        if mode == "replace":
            await repository.empty(db)
            # With a time given, that of a tombstone stays as it is.
            await changes.begin(db, changes.By(actor=actor, at=_AS_IT_IS))
            for kind in KINDS:
                imported[kind.name] = await repository.store(db, run, kind)
            await repository.log_deleted(db, actor)
        else:
            for kind in repository.ADDED:
                imported[kind.name] = await repository.add(db, run, kind)
        await repository.begin_stream(db)
        await repository.discard(db, run)
    return imported
