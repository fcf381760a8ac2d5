"""The rules of recording videos by their paths."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from videovault.changes import repository as changes
from videovault.query.service import index_written
from videovault.query.words import index_columns
from videovault.recording import repository
from videovault.recording.repository import COLUMNS, STEP, Stored
from videovault.recording.schemas import MOST_ERRORS, BatchError, BatchResult, StreamResult
from videovault.videos.errors import PathTooLong
from videovault.videos.repository import read_inserted_video
from videovault.videos.schemas import MOST_VIDEOS, NewVideo, VideoBody
from videovault.videos.service import refusing_long_paths
from webcommon.auth.bearer import Caller
from webcommon.turns import Turns

_SURE_PATH = 2600
"""Bytes of a path that always fits into its index."""

_MOST_BYTES = 16 * 1024 * 1024
"""Bytes of the lines of a transaction, which has fewer than `MOST_VIDEOS` when they are long."""

_LONGEST_DETAIL = 500
"""Characters of what is wrong with a video."""


async def put_video(db: AsyncSession, video: NewVideo, *, caller: Caller) -> tuple[VideoBody, bool]:
    """Record a video, or change the one with its path; and whether it is new. Raises `PathTooLong`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    with refusing_long_paths():
        stored = await _store(db, [video])
    video_id = await repository.read_id(db, video.file_path)
    return VideoBody.model_validate(await read_inserted_video(db, video_id)), bool(stored.created)


async def record_batch(db: AsyncSession, given: Sequence[Any], *, caller: Caller) -> BatchResult:
    """Record videos, or change those with their paths, in one transaction; invalid ones are listed."""
    reading, turns = _Reading(most_errors=MOST_VIDEOS), Turns()
    for index, item in enumerate(given):
        await turns.pass_on()
        reading.read(index, item, NewVideo.model_validate)
    await _record(db, reading, caller=caller)
    return BatchResult(**reading.counts, errors=reading.listed_errors)


async def record_stream(
    database: Database, lines: AsyncIterator[list[bytes | None]], *, caller: Caller
) -> StreamResult:
    """Record videos, one a line, or change those with their paths, in transactions of `MOST_VIDEOS`; what is invalid is
    counted. A line that is None was too long."""
    reading, turns, index = _Reading(most_errors=MOST_ERRORS), Turns(), -1
    async for some in lines:
        for line in some:
            index += 1
            await turns.pass_on()
            if line is None:
                reading.refuse(index, "the line is too long")
            elif line.strip():
                reading.size += len(line)
                reading.read(index, line, NewVideo.model_validate_json)
            if reading.is_full:
                await _commit(database, reading, caller=caller)
    await _commit(database, reading, caller=caller)
    return StreamResult(**reading.counts, errors=reading.listed_errors, error_count=reading.error_count)


@dataclass(kw_only=True)
class _Reading:
    """Videos that are read and not yet stored, by their paths with their indexes; what was stored, and what is wrong."""

    most_errors: int
    videos: dict[str, tuple[int, NewVideo]] = field(default_factory=dict)
    size: int = 0
    errors: list[BatchError] = field(default_factory=list)
    error_count: int = 0
    total: Counter[str] = field(default_factory=Counter)

    @property
    def is_full(self) -> bool:
        return len(self.videos) >= MOST_VIDEOS or self.size >= _MOST_BYTES

    @property
    def counts(self) -> dict[str, int]:
        return {name: self.total[name] for name in ("created", "updated", "unchanged")}

    @property
    def listed_errors(self) -> list[BatchError]:
        return sorted(self.errors, key=lambda error: error.index)

    def read(self, index: int, item: Any, validate: Callable[[Any], NewVideo]) -> None:
        try:
            video = validate(item)
        except ValidationError as error:
            self.refuse(index, _describe(error))
        else:
            self.videos[video.file_path] = index, video

    def refuse(self, index: int, detail: str) -> None:
        self.error_count += 1
        if len(self.errors) < self.most_errors:
            self.errors.append(BatchError(index=index, detail=detail))


def _describe(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = "; ".join(
        f"{'/'.join(str(part) for part in fault['loc']) or '-'}: {fault['msg']}" for fault in faults
    )
    # A misspelt field may have any name.
    return told[:_LONGEST_DETAIL].encode(errors="replace").decode()


async def _commit(database: Database, reading: _Reading, *, caller: Caller) -> None:
    if reading.videos:
        async with database.transaction() as db:
            await _record(db, reading, caller=caller)


async def _record(db: AsyncSession, reading: _Reading, *, caller: Caller) -> None:
    await changes.begin(db, changes.By(actor=str(caller.id)))
    sure = [video for _, video in reading.videos.values() if len(video.file_path.encode()) <= _SURE_PATH]
    reading.total += _counts(await _store(db, sure))
    for index, video in reading.videos.values():
        if len(video.file_path.encode()) > _SURE_PATH:
            try:
                async with db.begin_nested():
                    with refusing_long_paths():
                        stored = await _store(db, [video])
            except PathTooLong as error:
                reading.refuse(index, f"file_path: {error.detail}")
            else:
                reading.total += _counts(stored)
    reading.videos.clear()
    reading.size = 0


def _counts(stored: Stored) -> Counter[str]:
    updated = len(stored.updated)
    return Counter(created=stored.created, updated=updated, unchanged=stored.existing - updated)


async def _store(db: AsyncSession, videos: Sequence[NewVideo]) -> Stored:
    """Store videos with different paths; a field that is left out keeps its value in a video that exists."""
    run = new_id()
    ordered = sorted(videos, key=lambda video: video.file_path)
    for start in range(0, len(ordered), STEP):
        await repository.stage(db, run, _rows(ordered[start : start + STEP], after=start))
    stored = await repository.store_staged(db, run, count=len(ordered))
    await index_written(db, stored.updated)
    return stored


async def _rows(videos: Sequence[NewVideo], *, after: int) -> AsyncIterator[tuple[Any, ...]]:
    turns = Turns()
    for number, video in enumerate(videos, after + 1):
        await turns.pass_on()
        values = _values(video) | {"number": number}
        yield tuple(values[column] for column in COLUMNS)


def _values(video: NewVideo) -> dict[str, Any]:
    video_id = new_id()
    tags = [[tag.tag_category, tag.tag_name] for tag in video.tags]
    return {
        **video.__dict__,
        **index_columns(
            video_id,
            title=video.title,
            file_name=video.file_name,
            file_path=video.file_path,
            description=video.description,
        ),
        "id": video_id,
        "given": list(video.model_fields_set),
        "metadata": json.dumps(video.metadata or {}),
        "tags": json.dumps(tags) if "tags" in video.model_fields_set else None,
    }
