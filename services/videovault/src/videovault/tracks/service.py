"""The rules of tracks."""

import hashlib
from dataclasses import replace
from functools import partial
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.files.identity import FileFacts
from videovault.files.opening import NotInRoot, list_beside
from videovault.files.paths import to_bytes
from videovault.media.calls import MediaFailed, MediaFile, MediaWorkers
from videovault.pictures.cache import CacheUnusable, DiskCache
from videovault.settings import Settings
from videovault.streams.body import OpenStreams
from videovault.streams.errors import FileNotFound
from videovault.streams.service import find_file
from videovault.tracks.errors import TrackNotFound
from videovault.tracks.finding import Track, find_tracks
from videovault.tracks.schemas import TrackBody, TrackList

VERSION = 1
"""Of how texts are written: another one makes all anew."""


async def list_tracks(
    database: Database, video_id: UUID, *, settings: Settings, streams: OpenStreams, query: str = ""
) -> TrackList:
    """The tracks of a video; `query` is added to their URLs. A video without a file has none. Raises `VideoNotFound`."""
    try:
        row = await find_file(database, video_id)
    except FileNotFound:
        return TrackList(items=[])
    tracks = await _find(row, settings=settings, streams=streams)
    return TrackList(
        items=[_describe(track, number, video_id, query=query) for number, track in enumerate(tracks)]
    )


async def read_track(
    database: Database,
    video_id: UUID,
    number: int,
    *,
    key: str | None,
    settings: Settings,
    streams: OpenStreams,
    workers: MediaWorkers | None,
    cache: DiskCache,
) -> bytes:
    """A track as WebVTT: the one with the key, if that is given, else the one with the number. Embedded ones, for which all of
    the film is read, are kept. Raises `VideoNotFound`, `FileNotFound` or `TrackNotFound`."""
    row = await find_file(database, video_id)
    tracks = await _find(row, settings=settings, streams=streams)
    chosen = [track for place, track in enumerate(tracks) if (key == track.key if key else place == number)]
    if not chosen:
        raise TrackNotFound("Read the list of the video's tracks again.")
    [track] = chosen
    if not track.is_text:
        raise TrackNotFound("These subtitles are pictures; a player that knows the container shows them.")
    if workers is None:
        raise TrackNotFound("This service reads no films: VIDEOVAULT_MEDIA_WORKERS is 0.")
    try:
        film = _media_file(row, settings)
        if track.name is None:
            return await _read_embedded(track, film, row, workers=workers, cache=cache)
        beside = replace(film, path=film.path.rpartition(b"/")[0] + b"/" + track.name)
        converted = await workers.run("convert_subtitles", beside, form=track.format, language=track.language)
    except MediaFailed as error:
        raise TrackNotFound(f"It cannot be read: {error.detail}.") from None
    return converted.content


class _NotKept(Exception):
    """The text is of a file that no scan has seen yet."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content


async def _read_embedded(
    track: Track, film: MediaFile, row: AnyRow, *, workers: MediaWorkers, cache: DiskCache
) -> bytes:
    known = FileFacts(size=row.file_size, mtime=row.mtime, inode=row.inode)

    async def read() -> bytes:
        answer = await workers.run("read_subtitles", film, index=track.index)
        if row.identity is None or answer.facts != known:
            raise _NotKept(answer.content)
        return answer.content

    named = f"track {VERSION} {row.identity} {known} {track.index}"
    try:
        return await cache.get(hashlib.sha256(named.encode()).hexdigest(), read)
    except _NotKept as told:
        return told.content
    except CacheUnusable:
        return (await workers.run("read_subtitles", film, index=track.index)).content


async def _find(row: AnyRow, *, settings: Settings, streams: OpenStreams) -> list[Track]:
    film = _media_file(row, settings)
    look = partial(list_beside, film.root, film.path, allowed=film.allowed)
    try:
        names = await streams.readers.run(look)
    except (NotInRoot, OSError):
        names = []
    return find_tracks(film.path.rpartition(b"/")[2], names, row.streams)


def _media_file(row: AnyRow, settings: Settings) -> MediaFile:
    return MediaFile(
        path=row.path_bytes or to_bytes(row.file_path),
        root=row.root_path_bytes or to_bytes(row.root_path),
        allowed=settings.media_folders,
    )


def _describe(track: Track, number: int, video_id: UUID, *, query: str) -> TrackBody:
    url = f"/v1/videos/{video_id}/tracks/{number}.vtt?track={track.key}"
    return TrackBody(
        n=number,
        url=f"{url}&{query}".rstrip("&") if track.is_text else None,
        source="embedded" if track.name is None else "file",
        format=track.format,
        language=track.language,
        label=track.label,
        forced=track.is_forced,
        hearing_impaired=track.is_for_deaf,
        default=track.is_default,
        text=track.is_text,
    )
