"""The rules of pictures: which one is asked for, and when none is made."""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.entity_tags import entity_tag
from videovault.errors import VideoNotFound
from videovault.files.comparing import KnownFile, is_same
from videovault.files.paths import to_bytes
from videovault.media.calls import MediaFailed, MediaFile, MediaWorkers
from videovault.pictures import repository
from videovault.pictures.cache import CacheUnusable, DiskCache
from videovault.pictures.errors import NoPicture, PictureCacheUnusable
from videovault.pictures.schemas import LATEST_SECOND
from videovault.settings import Settings
from videovault.streams.errors import FileNotFound

VERSION = 1
"""Of how pictures are drawn: another one makes all anew."""

_LENGTH_BYTES = 4

Kind = Literal["thumbnail", "sprite"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A JPEG; of a sprite also where its pictures are (`media.drawing.draw_sprite`)."""

    content: bytes
    places: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A picture that is asked for: of which content, at which second; one of a whole film, and of what is chosen, at none."""

    kind: Kind
    film: AnyRow
    at: float | None

    @property
    def key(self) -> str:
        """The name of its file."""
        named = f"{VERSION} {self.kind} {self.film.identity.hex()} {self.at}"
        return hashlib.sha256(named.encode()).hexdigest()

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return entity_tag(self.key.encode())


async def find_wanted(database: Database, video_id: UUID, kind: Kind) -> Wanted:
    """What is to be drawn. Raises `VideoNotFound`, `FileNotFound` for a path in no root, or `NoPicture`."""
    film = await repository.find_film(database, video_id)
    if film is None:
        raise VideoNotFound
    if film.root_path is None:
        raise FileNotFound("Its path is in no root; an editor may add one.")
    if film.identity is None:
        raise NoPicture("No scan has found its file yet.")
    if film.probe_error is not None and film.probed == film.identity:
        raise NoPicture(f"The film cannot be read: {film.probe_error['detail']}.")
    return Wanted(kind=kind, film=film, at=_moment(film.moment) if kind == "thumbnail" else None)


def _moment(value: Any) -> float | None:
    """The second that somebody chose; metadata may hold anything."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= LATEST_SECOND else None


class Pictures:
    """Makes pictures, each once, and keeps them. Without `workers` it makes none."""

    def __init__(self, settings: Settings, workers: MediaWorkers | None) -> None:
        self._allowed = settings.media_folders
        self._workers = workers
        self.cache = DiskCache(settings.picture_cache, most_bytes=settings.cache_mb * 2**20)

    async def aclose(self) -> None:
        """End what is being made."""
        await self.cache.aclose()

    async def get(self, wanted: Wanted) -> Picture:
        """The picture. Raises `FileNotFound`, `NoPicture` or `PictureCacheUnusable`."""
        try:
            stored = await self.cache.get(wanted.key, lambda: self._draw(wanted))
        except CacheUnusable as error:
            told = "has no room" if error.is_full else f"cannot be used: {error}"
            raise PictureCacheUnusable(f"The folder of VIDEOVAULT_CACHE_FOLDER {told}.") from None
        length = int.from_bytes(stored[:_LENGTH_BYTES])
        told = json.loads(stored[_LENGTH_BYTES : _LENGTH_BYTES + length])
        if "error" in told:
            raise _not_drawn(told["error"])
        return Picture(content=stored[_LENGTH_BYTES + length :], places=told["places"])

    async def _draw(self, wanted: Wanted) -> bytes:
        """What is kept of a picture: also that there is none, so that no film is tried again before it changes."""
        film = wanted.film
        if self._workers is None:
            raise NoPicture("This service reads no films: VIDEOVAULT_MEDIA_WORKERS is 0.")
        if film.missing_since is not None:
            raise FileNotFound("The file is missing; a scan finds it when it is there again.")
        arguments: dict[str, Any] = {"at": wanted.at} if wanted.kind == "thumbnail" else {}
        duration = film.duration_ms if isinstance(film.duration_ms, int) else None
        file = MediaFile(
            path=film.path_bytes or to_bytes(film.file_path),
            root=film.root_path_bytes or to_bytes(film.root_path),
            allowed=self._allowed,
        )
        call: Literal["draw_thumbnail", "draw_sprite"] = f"draw_{wanted.kind}"  # type: ignore[assignment]
        try:
            answer = await self._workers.run(call, file, duration_ms=duration, **arguments)
        except MediaFailed as failed:
            if failed.code == "gone":
                raise FileNotFound("Its path leads to no file inside of a root.") from None
            if not failed.is_lasting:
                raise _not_drawn(failed.detail) from None
            facts, told, content = failed.facts, {"error": failed.detail}, b""
        else:
            facts, told, content = answer.facts, {"places": answer.result}, answer.content
        if facts is not None and not is_same(facts, _known(film), now=time.time_ns()):
            raise NoPicture("The file has changed; a scan has to find that first.")
        head = json.dumps(told).encode()
        return len(head).to_bytes(_LENGTH_BYTES) + head + content


def _not_drawn(detail: str) -> NoPicture:
    return NoPicture(f"The film cannot be read: {detail}.")


def _known(film: AnyRow) -> KnownFile:
    return KnownFile(
        id=film.id,
        path=film.file_path,
        size=film.file_size,
        mtime=film.mtime,
        inode=film.inode,
        identity=film.identity,
        is_missing=False,
    )


def write_vtt(places: dict[str, Any], *, url: str) -> str:
    """Where the pictures of a sprite are, as WebVTT whose cues name regions of an image (Media Fragments URI 1.0 §4.2.2)."""
    cues = ["WEBVTT"]
    for number in range(places["count"]):
        row, column = divmod(number, places["columns"])
        begin = number * places["step_ms"]
        end = max(min(begin + places["step_ms"], places["duration_ms"]), begin + 1)
        x, y = column * places["width"], row * places["height"]
        region = f"{url}#xywh={x},{y},{places['width']},{places['height']}"
        cues.append(f"{_clock(begin)} --> {_clock(end)}\n{region}")
    return "\n\n".join(cues) + "\n"


def _clock(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
