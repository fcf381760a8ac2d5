"""The statements by which videos follow their files. Each is about many rows at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from videovault.files.comparing import KnownFile, Seen
from videovault.files.identity import FileFacts
from videovault.files.media_types import media_type_of
from videovault.files.pairing import LostVideo
from videovault.files.paths import name_of, odd_bytes
from videovault.files.walking import FoundFile
from videovault.models import StagedFile

SCANNED_METADATA = (
    *("container", "video_codec", "audio_codec", "width", "height", "fps", "rotation"),
    *("duration_ms", "streams", "chapters"),
)
"""Keys of the metadata that say what the file held; they go with the content."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a scan over some roots."""

    id: UUID
    root_ids: tuple[UUID, ...]

    @property
    def parameters(self) -> dict[str, Any]:
        """For the statements on its staged files."""
        return {"run": self.id, "roots": list(self.root_ids)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A video with the content of a staged file; `is_lost` if nothing is at its path, or something else."""

    video: LostVideo
    identity: bytes
    true_path: bytes | None
    is_lost: bool


_STAGED = "s.run = :run AND s.root_id = ANY(CAST(:roots AS uuid[]))"

_KNOWN = text(
    """
    SELECT id, file_path, file_size, mtime, inode, identity, missing_since IS NOT NULL AS is_missing
        FROM videos
        WHERE file_path > :last AND file_path <= :upper AND file_path < :end
        ORDER BY file_path LIMIT :most
    """
)
_REFRESH = text(
    """
    UPDATE videos v
        SET missing_since = NULL, file_size = f.size, mtime = f.mtime, inode = f.inode
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:sizes AS bigint[]), CAST(:mtimes AS bigint[]), CAST(:inodes AS bigint[])
        ) AS f (id, size, mtime, inode)
        WHERE v.id = f.id
    """
)
_MISS = text(
    "UPDATE videos SET missing_since = now() WHERE id = ANY(CAST(:ids AS uuid[])) AND missing_since IS NULL"
)
_MISS_ALL = text(
    "UPDATE videos SET missing_since = now()"
    " WHERE file_path > :first AND file_path < :end AND missing_since IS NULL AND identity IS NOT NULL"
)
_COUNT_MISSING = text(
    "SELECT count(*) FROM videos WHERE file_path > :first AND file_path < :end AND missing_since IS NOT NULL"
)
_SHARED = text(
    f"""
    SELECT DISTINCT s.identity
        FROM staged_files s JOIN videos v ON v.identity = s.identity
        WHERE {_STAGED} AND s.file_size > 0 AND s.identity > :after
        ORDER BY s.identity LIMIT :most
    """  # noqa: S608 - of this file
)
_UNPLACED = text(
    f"SELECT s.identity, s.file_path FROM staged_files s WHERE {_STAGED} AND s.identity = ANY(CAST(:identities AS bytea[]))"  # noqa: S608
)
_CANDIDATES = text(
    f"""
    SELECT v.id, split_part(v.file_path, E'\\x01', 1) AS path, v.path_bytes, v.identity,
            v.missing_since IS NOT NULL
                OR EXISTS (SELECT FROM staged_files s WHERE {_STAGED} AND s.file_path = v.file_path) AS is_lost
        FROM videos v
        WHERE v.identity = ANY(CAST(:identities AS bytea[]))
    """  # noqa: S608 - of this file
)
# Two videos that change places are in each other's way; one that finds no other place stays missing, as what it was.
_MAKE_WAY = text(
    """
    UPDATE videos
        SET file_path = file_path || E'\\x01' || id,
            missing_since = CASE
                WHEN id = ANY(CAST(:ids AS uuid[])) THEN missing_since ELSE coalesce(missing_since, now())
            END
        WHERE file_path = ANY(CAST(:paths AS text[]))
    """
)
_BASE = r"'[^/]*$'"
_EXTENSION = r"'\.[^./]*$'"
_MOVE = text(
    f"""
    WITH pair AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:paths AS text[])) AS p (id, file_path)
    ), moved AS (
        DELETE FROM staged_files s USING pair WHERE {_STAGED} AND s.file_path = pair.file_path RETURNING pair.id AS video_id, s.*
    )
    UPDATE videos v
        SET file_path = m.file_path, path_bytes = m.path_bytes, mtime = m.mtime, inode = m.inode, missing_since = NULL,
            file_name = CASE
                WHEN substring(m.file_path FROM {_BASE}) = substring(split_part(v.file_path, E'\\x01', 1) FROM {_BASE})
                THEN v.file_name ELSE m.file_name
            END,
            mime_type = CASE
                WHEN substring(m.file_path FROM {_EXTENSION})
                    IS NOT DISTINCT FROM substring(split_part(v.file_path, E'\\x01', 1) FROM {_EXTENSION})
                THEN v.mime_type ELSE m.mime_type
            END
        FROM moved m
        WHERE v.id = m.video_id
    """  # noqa: S608 - of this file
)
_REST = text(
    f"SELECT s.file_path FROM staged_files s WHERE {_STAGED} ORDER BY s.root_id, s.file_path LIMIT :most"  # noqa: S608
)
_BATCH = f"{_STAGED} AND s.file_path = ANY(CAST(:paths AS text[]))"
_FORGET_POSITIONS = text(
    f"""
    UPDATE watch_history h
        SET position_seconds = 0
        FROM videos v JOIN staged_files s ON s.file_path = v.file_path
        WHERE {_BATCH} AND h.video_id = v.id AND v.identity IS NOT NULL AND h.position_seconds > 0
    """  # noqa: S608 - of this file
)
# A record that somebody made before any scan keeps what it says; a hash that somebody gave is kept in any case.
_REPLACE = text(
    f"""
    UPDATE videos v
        SET file_size = s.file_size, path_bytes = s.path_bytes, mtime = s.mtime, inode = s.inode, identity = s.identity,
            missing_since = NULL,
            hash = CASE
                WHEN v.hash IS NULL OR v.hash = encode(v.identity, 'hex') THEN encode(s.identity, 'hex') ELSE v.hash
            END,
            duration_seconds = CASE WHEN v.identity IS NULL THEN v.duration_seconds END,
            metadata = CASE
                WHEN v.identity IS NULL THEN v.metadata ELSE v.metadata - CAST(:scanned_metadata AS text[])
            END
        FROM staged_files s
        WHERE {_BATCH} AND v.file_path = s.file_path
        RETURNING v.id
    """  # noqa: S608 - of this file
)
_ADD = text(
    f"""
    INSERT INTO videos (id, file_path, path_bytes, file_name, file_size, mime_type, hash, mtime, inode, identity)
        SELECT s.id, s.file_path, s.path_bytes, s.file_name, s.file_size, s.mime_type, encode(s.identity, 'hex'),
                s.mtime, s.inode, s.identity
            FROM staged_files s
            WHERE {_BATCH} AND NOT EXISTS (SELECT FROM videos v WHERE v.file_path = s.file_path)
        ON CONFLICT (file_path) DO NOTHING
        RETURNING id
    """  # noqa: S608 - of this file
)
_FORGET = text(f"DELETE FROM staged_files s WHERE {_BATCH}")  # noqa: S608 - of this file


async def list_known(database: Database, *, last: str, upper: str, end: str, most: int) -> list[KnownFile]:
    """Videos with a path after `last`, up to `upper`, and before `end`; by path."""
    places = {"last": last, "upper": upper, "end": end, "most": most}
    return [
        KnownFile(
            id=row.id,
            path=row.file_path,
            size=row.file_size,
            mtime=row.mtime,
            inode=row.inode,
            identity=row.identity,
            is_missing=row.is_missing,
        )
        for row in await database.fetch_all(_KNOWN, places)
    ]


async def refresh(db: AsyncSession, seen: Sequence[Seen]) -> None:
    """The files of these videos are there, and are what they were."""
    facts = {
        "ids": [each.video.id for each in seen],
        "sizes": [each.file.facts.size for each in seen],
        "mtimes": [each.file.facts.mtime for each in seen],
        "inodes": [each.file.facts.inode for each in seen],
    }
    await db.execute(_REFRESH, facts)


async def mark_missing(db: AsyncSession, ids: Sequence[UUID]) -> None:
    """These videos are missing from now on, those aside that are so already."""
    await db.execute(_MISS, {"ids": list(ids)})


async def mark_all_missing(db: AsyncSession, first: str, end: str) -> None:
    """All scanned videos with paths between the two are missing from now on."""
    await db.execute(_MISS_ALL, {"first": first, "end": end})


async def count_missing(database: Database, first: str, end: str) -> int:
    """How many videos with paths between the two are missing."""
    row = await database.fetch_one(_COUNT_MISSING, {"first": first, "end": end})
    return 0 if row is None else int(row[0])


async def list_staged(
    database: Database, root_id: UUID, paths: Sequence[str]
) -> Mapping[str, tuple[FileFacts, bytes]]:
    """What scans that were killed had read of the files at these paths: facts and identity."""
    rows = await database.fetch_all(
        text(
            "SELECT file_path, file_size, mtime, inode, identity FROM staged_files"
            " WHERE root_id = :root_id AND file_path = ANY(CAST(:paths AS text[]))"
        ),
        {"root_id": root_id, "paths": list(paths)},
    )
    return {
        row.file_path: (FileFacts(size=row.file_size, mtime=row.mtime, inode=row.inode), row.identity)
        for row in rows
    }


async def stage(
    db: AsyncSession, run: UUID, root_id: UUID, files: Collection[tuple[FoundFile, bytes]]
) -> None:
    """Keep files, each with its identity, until they have their places."""
    rows = [
        {
            "root_id": root_id,
            "file_path": file.text,
            "run": run,
            "id": new_id(),
            "path_bytes": odd_bytes(file.path, file.text),
            "file_name": name_of(file.path),
            "mime_type": media_type_of(file.path.rpartition(b"/")[2]),
            "file_size": file.facts.size,
            "mtime": file.facts.mtime,
            "inode": file.facts.inode,
            "identity": identity,
        }
        for file, identity in files
    ]
    added = insert(StagedFile)
    renewed = {name: added.excluded[name] for name in rows[0] if name not in ("root_id", "file_path", "id")}
    await db.execute(added.on_conflict_do_update(index_elements=["root_id", "file_path"], set_=renewed), rows)


async def list_shared(database: Database, run: Run, *, after: bytes, most: int) -> list[bytes]:
    """Identities, in order, of staged files that videos have, too; not that of empty files."""
    rows = await database.fetch_all(_SHARED, {**run.parameters, "after": after, "most": most})
    return [row.identity for row in rows]


async def list_unplaced(database: Database, run: Run, identities: Sequence[bytes]) -> list[tuple[bytes, str]]:
    """Identity and path of the staged files with these identities."""
    rows = await database.fetch_all(_UNPLACED, {**run.parameters, "identities": list(identities)})
    return [(row.identity, row.file_path) for row in rows]


async def list_candidates(database: Database, run: Run, identities: Sequence[bytes]) -> list[Candidate]:
    """The videos with these identities."""
    rows = await database.fetch_all(_CANDIDATES, {**run.parameters, "identities": list(identities)})
    return [Candidate(LostVideo(row.id, row.path), row.identity, row.path_bytes, row.is_lost) for row in rows]


async def move(db: AsyncSession, run: Run, paths: Mapping[UUID, str]) -> None:
    """Videos get the places of staged files, by their ids. Raises IntegrityError when somebody else takes a path meanwhile."""
    pairs = {"ids": list(paths), "paths": list(paths.values())}
    await db.execute(_MAKE_WAY, pairs)
    await db.execute(_MOVE, {**run.parameters, **pairs})


async def place_rest(db: AsyncSession, run: Run, *, most: int) -> tuple[int, int] | None:
    """Of staged files, `most` at a time, those at a video's path are its new content, and the others new videos: how many of
    each. None when no file is left."""
    paths = list((await db.execute(_REST, {**run.parameters, "most": most})).scalars())
    if not paths:
        return None
    batch = {**run.parameters, "paths": paths}
    await db.execute(_FORGET_POSITIONS, batch)
    replaced = await db.execute(_REPLACE, {**batch, "scanned_metadata": list(SCANNED_METADATA)})
    added = await db.execute(_ADD, batch)
    await db.execute(_FORGET, batch)
    return len(replaced.all()), len(added.all())
