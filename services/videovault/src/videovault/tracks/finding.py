"""The tracks of a video: files beside it, and what a scan has found in it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from videovault.tracks.languages import read_language
from videovault.tracks.naming import TEXT_FORMATS, find_sidecars
from webcommon.signing import encode_base64url

_KEY_BYTES = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """Subtitles. `key` names them while others come and go. Of `name`, that of a file, and `index`, that of a stream, one is
    None."""

    key: str
    name: bytes | None
    index: int | None
    format: str
    language: str | None
    label: str | None
    is_forced: bool
    is_for_deaf: bool
    is_default: bool
    is_text: bool


class _Stream(BaseModel):
    """A stream of subtitles, as `metadata.streams` has it."""

    index: int
    type: Literal["subtitle"]
    codec: str = "unknown"
    language: str | None = None
    title: str | None = None
    forced: bool = False
    default: bool = False
    hearing_impaired: bool = False
    text: bool = False


_STREAM = TypeAdapter(_Stream)


def find_tracks(video: bytes, names: Iterable[bytes], streams: Any) -> list[Track]:
    """The tracks of the video with this file name: among the names in its folder, by name, and among `metadata.streams`, where
    people may have written anything."""
    beside = [
        Track(
            key=_key(b"file " + sidecar.name),
            name=sidecar.name,
            index=None,
            format=sidecar.format,
            language=sidecar.language,
            label=sidecar.label,
            is_forced=sidecar.is_forced,
            is_for_deaf=sidecar.is_for_deaf,
            is_default=sidecar.is_default,
            is_text=sidecar.format in TEXT_FORMATS,
        )
        for sidecar in find_sidecars(video, names)
    ]
    embedded = [
        Track(
            key=_key(f"stream {stream.index}".encode()),
            name=None,
            index=stream.index,
            format=stream.codec,
            language=read_language(stream.language or ""),
            label=stream.title,
            is_forced=stream.forced,
            is_for_deaf=stream.hearing_impaired,
            is_default=stream.default,
            is_text=stream.text,
        )
        for stream in _read_streams(streams)
    ]
    return beside + embedded


def _read_streams(streams: Any) -> Iterable[_Stream]:
    for described in streams if isinstance(streams, list) else ():
        try:
            yield _STREAM.validate_python(described)
        except ValidationError:
            continue


def _key(name: bytes) -> str:
    return encode_base64url(hashlib.sha256(name).digest()[:_KEY_BYTES])
