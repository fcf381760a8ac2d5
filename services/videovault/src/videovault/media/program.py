"""`python -m videovault.media.program MEMORY_MB SECONDS`: works on media files until its input ends.

Reads a length (4 bytes) and the JSON of a call, and writes lengths and the JSON of an answer and of bytes, again and again. It
can write no file, takes at most so much memory, and dies when a call takes more processor time than that. After a call for
which the memory did not suffice it ends.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import av
import av.logging

from videovault.files.identity import facts_of
from videovault.files.opening import NotInRoot, open_below
from videovault.media.calls import LENGTH_BYTES
from videovault.media.containers import NotReadable
from videovault.media.drawing import draw_sprite, draw_thumbnail
from videovault.media.probing import probe
from videovault.media.subtitles import convert_subtitles, read_subtitles

_NICENESS = 5
"""Requests come first where there are fewer cores than work."""

_SHARE = 0.5
"""Of a call's seconds, for reading packets."""


def _probe(file: BinaryIO, size: int, seconds: int, _given: Mapping[str, Any]) -> tuple[Any, bytes]:
    return probe(file, size, seconds=seconds * _SHARE), b""


def _read_subtitles(file: BinaryIO, _size: int, _seconds: int, given: Mapping[str, Any]) -> tuple[Any, bytes]:
    return None, read_subtitles(file, given["index"]).encode()


def _convert_subtitles(
    file: BinaryIO, size: int, _seconds: int, given: Mapping[str, Any]
) -> tuple[Any, bytes]:
    return None, convert_subtitles(file, size, form=given["form"], language=given["language"]).encode()


def _draw_thumbnail(file: BinaryIO, _size: int, _seconds: int, given: Mapping[str, Any]) -> tuple[Any, bytes]:
    return None, draw_thumbnail(file, at=given["at"], duration_ms=given["duration_ms"])


def _draw_sprite(file: BinaryIO, _size: int, _seconds: int, given: Mapping[str, Any]) -> tuple[Any, bytes]:
    return draw_sprite(file, duration_ms=given["duration_ms"])


CALLS: dict[str, Callable[[BinaryIO, int, int, Mapping[str, Any]], tuple[Any, bytes]]] = {
    "probe": _probe,
    "read_subtitles": _read_subtitles,
    "convert_subtitles": _convert_subtitles,
    "draw_thumbnail": _draw_thumbnail,
    "draw_sprite": _draw_sprite,
}
"""Each gives JSON and bytes. Raises `NotReadable`."""


def main() -> None:
    """Read, work and write."""
    memory, seconds = int(sys.argv[1]) * 2**20, int(sys.argv[2])
    os.nice(_NICENESS)
    av.logging.set_level(None)
    for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, memory)):
        _limit(limit, most)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while length := source.read(LENGTH_BYTES):
        given = json.loads(source.read(int.from_bytes(length)))
        _limit(resource.RLIMIT_CPU, int(sum(os.times()[:2])) + 1 + seconds)
        try:
            answer, content = _answer(given, seconds)
        except MemoryError:
            answer, content = {"error": {"code": "unreadable", "detail": "it takes too much memory"}}, b""
            is_last = True
        else:
            is_last = False
        head = json.dumps(answer).encode()
        for part in (head, content):
            target.write(len(part).to_bytes(LENGTH_BYTES) + part)
        target.flush()
        if is_last:
            break


def _limit(limit: int, most: int) -> None:
    _, highest = resource.getrlimit(limit)
    resource.setrlimit(limit, (most, highest))


def _answer(given: Mapping[str, Any], seconds: int) -> tuple[dict[str, Any], bytes]:
    allowed = [os.fsencode(folder) for folder in given["allowed"]]
    try:
        descriptor = open_below(os.fsencode(given["root"]), os.fsencode(given["path"]), allowed=allowed)
    except NotInRoot:
        return {"error": {"code": "gone", "detail": "it is in no root"}}, b""
    except OSError as error:
        code = "gone" if isinstance(error, FileNotFoundError) else "closed"
        return {"error": {"code": code, "detail": (error.strerror or type(error).__name__).lower()}}, b""
    with open(descriptor, "rb") as file:
        facts = facts_of(os.fstat(descriptor))
        told = {"facts": [facts.size, facts.mtime, facts.inode]}
        try:
            result, content = CALLS[given["call"]](file, facts.size, seconds, given)
        except NotReadable as error:
            return {**told, "error": {"code": error.code, "detail": error.detail}}, b""
        except MemoryError:
            raise
        except (av.error.FFmpegError, OSError, ValueError) as error:
            return {**told, "error": {"code": "unreadable", "detail": str(error)[:200]}}, b""
        return {**told, "result": result}, content


if __name__ == "__main__":
    main()
