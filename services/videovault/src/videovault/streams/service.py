"""The rules of streams: which file, which of its bytes, and under which headers (RFC 9110)."""

import re
import secrets
import time
from collections.abc import Sequence
from email.utils import formatdate
from functools import partial
from typing import NamedTuple
from uuid import UUID

from fastapi import Response

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.entity_tags import entity_tag
from videovault.errors import VideoNotFound
from videovault.files.identity import FileFacts
from videovault.files.opening import NotInRoot
from videovault.files.paths import to_bytes
from videovault.settings import Settings
from videovault.streams import repository
from videovault.streams.body import FileBody, OpenStreams, Piece
from videovault.streams.conditions import Conditions, Validators, Verdict, allows_ranges, judge
from videovault.streams.disposition import attachment
from videovault.streams.errors import FileNotFound, PreconditionFailed, RangeNotSatisfiable
from videovault.streams.opening import OpenFile
from videovault.streams.ranges import ByteRange, select_ranges

_PLAYABLE = re.compile(r"(?:video|audio)/[A-Za-z0-9.+-]+|application/mxf")
_OTHER_TYPE = "application/octet-stream"
"""Of a record that claims another type: as HTML, say, its file could run scripts."""

_NANOSECONDS = 10**9


async def find_file(database: Database, video_id: UUID) -> AnyRow:
    """Where the video's file is. Raises `VideoNotFound`, and `FileNotFound` for a path in no root."""
    row = await repository.find_file(database, video_id)
    if row is None:
        raise VideoNotFound
    if row.root_path is None:
        raise FileNotFound("Its path is in no root; an editor may add one.")
    return row


async def open_file(row: AnyRow, *, settings: Settings, streams: OpenStreams) -> OpenFile:
    """The video's file, open. Raises `FileNotFound`."""
    root = row.root_path_bytes or to_bytes(row.root_path)
    path = row.path_bytes or to_bytes(row.file_path)
    try:
        return await streams.readers.open(partial(OpenFile.below, root, path, allowed=settings.media_folders))
    except NotInRoot:
        raise FileNotFound("Its path leads to no file inside of a root.") from None
    except FileNotFoundError:
        raise FileNotFound("The file is missing; a scan finds it when it is there again.") from None
    except OSError:
        raise FileNotFound("The file cannot be read; the service needs the permission.") from None


def respond(
    file: OpenFile,
    row: AnyRow,
    conditions: Conditions,
    *,
    streams: OpenStreams,
    session_id: UUID,
    is_head: bool,
    is_download: bool,
) -> Response:
    """The response to a GET or HEAD, which closes the file. Raises `PreconditionFailed` or `RangeNotSatisfiable`."""
    try:
        answer = _plan(file.facts, row, conditions, is_head=is_head, is_download=is_download)
    except BaseException:
        file.close()
        raise
    if is_head or not answer.pieces:
        file.close()
        return Response(status_code=answer.status, headers=answer.headers)
    return FileBody(
        file,
        answer.pieces,
        streams=streams,
        session_id=session_id,
        status=answer.status,
        headers=answer.headers,
    )


class _Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    pieces: Sequence[Piece] = ()


def _plan(
    facts: FileFacts, row: AnyRow, conditions: Conditions, *, is_head: bool, is_download: bool
) -> _Answer:
    now = time.time()
    validators = _validate(facts, now=now)
    headers = {
        "ETag": validators.tag,
        "Last-Modified": formatdate(validators.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Referrer-Policy": "no-referrer",
    }
    verdict = judge(conditions, validators, now=now)
    if verdict is Verdict.FAILED:
        raise PreconditionFailed("Ask without the condition, or with the file's ETag.", headers=headers)
    if verdict is Verdict.NOT_MODIFIED:
        return _Answer(304, headers)
    if is_download:
        headers["Content-Disposition"] = attachment(row.file_name)
    media_type = row.mime_type if _PLAYABLE.fullmatch(row.mime_type) else _OTHER_TYPE
    ranges = None
    # Section 14.2: ranges are for GET alone.
    if (
        conditions.range is not None
        and not is_head
        and allows_ranges(conditions.if_range, validators, now=now)
    ):
        ranges = select_ranges(conditions.range, size=facts.size)
    if ranges is None:
        headers |= {"Content-Type": media_type, "Content-Length": str(facts.size)}
        return _Answer(200, headers, [Piece(b"", 0, facts.size)])
    if not ranges:
        headers["Content-Range"] = f"bytes */{facts.size}"
        raise RangeNotSatisfiable(f"The file has {facts.size} bytes.", headers=headers)
    return _send_ranges(ranges, size=facts.size, media_type=media_type, headers=headers)


def _validate(facts: FileFacts, *, now: float) -> Validators:
    tag = entity_tag(f"{facts.mtime} {facts.size} {facts.inode}".encode())
    # Section 8.8.2.1: not later than the response.
    return Validators(tag, max(0, min(facts.mtime // _NANOSECONDS, int(now))))


def _send_ranges(
    ranges: Sequence[ByteRange], *, size: int, media_type: str, headers: dict[str, str]
) -> _Answer:
    """One range as it is, several as `multipart/byteranges` (section 14.6)."""
    if len(ranges) == 1:
        [part] = ranges
        headers |= {
            "Content-Type": media_type,
            "Content-Range": f"bytes {part.first}-{part.last}/{size}",
            "Content-Length": str(part.length),
        }
        return _Answer(206, headers, [Piece(b"", part.first, part.length)])
    boundary = secrets.token_hex(16)
    pieces = [
        Piece(
            f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: bytes {part.first}-{part.last}/{size}\r\n\r\n".encode(),
            part.first,
            part.length,
        )
        for part in ranges
    ]
    pieces.append(Piece(f"\r\n--{boundary}--\r\n".encode(), 0, 0))
    headers |= {
        "Content-Type": f"multipart/byteranges; boundary={boundary}",
        "Content-Length": str(sum(len(piece.lead) + piece.length for piece in pieces)),
    }
    return _Answer(206, headers, pieces)
