"""What a media file holds. For worker processes only."""

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videovault.media.codec_strings import codec_string
from videovault.media.containers import (
    RAW,
    NotReadable,
    codec_of,
    find_picture,
    is_cover,
    is_cut_off,
    open_container,
    pixel_aspect,
    read_at,
)

MOST_STREAMS = 100
MOST_CHAPTERS = 1000
LONGEST_TEXT = 512
"""Streams, chapters, and characters of a text that are kept of a file."""

MOST_PIXELS = 2**26
"""Of a picture that is decoded: 8,192 by 8,192."""

FIRST_PACKETS = 500
"""Packets of the picture among which one that can be decoded is looked for."""

LAST_PACKETS = 50_000
"""Packets that are read before the end to see whether the container's duration is true."""

TEXT_CODECS = frozenset(
    {"subrip", "srt", "webvtt", "mov_text", "ass", "ssa", "text", "microdvd", "subviewer", "subviewer1"}
)
"""Subtitles that are text."""


def probe(file: BinaryIO, size: int, *, seconds: float) -> dict[str, Any]:
    """What the file holds, as the keys `metadata`, `duration_ms`, `title`, `error`; a duration that the container does not tell is looked for `seconds` at most. Raises
    `NotReadable`."""
    # Before the container is open, which reads from where the file stands.
    is_short, head = is_cut_off(file, size), read_at(file, 0, 64)
    with open_container(file) as container:
        stream = find_picture(container)
        frame = find_frame(container, stream)
        duration = read_duration(file, container, stream, deadline=time.monotonic() + seconds)
        if frame is None and duration is None:
            raise NotReadable("incomplete", "it holds no picture")
        width, height = shown_size(stream, frame)
        audio = next(iter(container.streams.audio), None)
        found = {
            "container": _container_name(container, head),
            "video_codec": codec_of(stream),
            "audio_codec": None if audio is None else codec_of(audio),
            "width": width,
            "height": height,
            "fps": _rate(stream),
            "rotation": 0 if frame is None else clockwise(frame),
            "duration_ms": duration,
            "streams": [describe(each) for each in list(container.streams)[:MOST_STREAMS]],
            "chapters": _chapters(container),
        }
        return {
            "metadata": _known(found),
            "duration_ms": duration,
            "title": clean(container.metadata.get("title")),
            "error": {"code": "incomplete", "detail": "its end is not there"} if is_short else None,
        }


def find_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """The first picture that can be decoded; None without one."""
    context = stream.codec_context
    if context is None:
        return None
    if context.width * context.height > MOST_PIXELS:
        raise NotReadable("unsupported", f"its picture has more than {MOST_PIXELS:,} pixels")
    context.thread_count = 1
    for number, packet in enumerate(_demux(container, stream)):
        try:
            for frame in packet.decode():
                return frame
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError):
            continue
        if number >= FIRST_PACKETS:
            break
    return None


def clockwise(frame: VideoFrame) -> int:
    """By how many degrees a frame is turned to be upright: 0, 90, 180 or 270."""
    return round(-frame.rotation / 90) * 90 % 360


def shown_size(stream: VideoStream, frame: VideoFrame | None) -> tuple[int | None, int | None]:
    """Width and height as shown: pixels made square, and upright."""
    picture = stream.codec_context if frame is None else frame
    if picture is None or not picture.width:
        return None, None
    width, height = round(picture.width * pixel_aspect(stream)), picture.height
    return (height, width) if frame is not None and clockwise(frame) % 180 else (width, height)


def read_duration(
    file: BinaryIO, container: InputContainer, stream: VideoStream, *, deadline: float
) -> int | None:
    """Milliseconds. The container's word is taken if there is something that late in the file; else the packets are read."""
    told = None if container.format.name in RAW else _told_duration(container)
    if told:
        reached = _read_end(container, told)
        if reached is None or reached >= told * Fraction(9, 10):
            return round(told * 1000)
    # Not all formats can go back to their beginning. The other container is not read any more.
    with open_container(file) as again:
        read = _read_all(again, stream, deadline=deadline)
    return round(read * 1000) if read else None


def _told_duration(container: InputContainer) -> Fraction | None:
    if container.duration is not None and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    told = [
        stream.duration * stream.time_base
        for stream in container.streams
        if stream.duration and stream.time_base
    ]
    return max(told, default=None)


def _read_end(container: InputContainer, told: Fraction) -> Fraction | None:
    """When the last packet of the file ends; None if that is far behind where the reader was set down."""
    start = Fraction(max(container.start_time or 0, 0), av.time_base)
    try:
        container.seek(int((start + told * Fraction(95, 100)) * av.time_base))
    except av.error.FFmpegError:
        return Fraction(0)
    end = Fraction(0)
    for number, packet in enumerate(_demux(container, *_lasting(container))):
        end = max(end, _end_of(packet) - start)
        if end >= told * Fraction(9, 10) or number >= LAST_PACKETS:
            return None
    return end


def _read_all(container: InputContainer, stream: VideoStream, *, deadline: float) -> Fraction | None:
    """From the first packet to the last; None if the deadline comes before."""
    begin, end, count = None, Fraction(0), 0
    for packet in _demux(container, *_lasting(container)):
        if time.monotonic() > deadline:
            return None
        count += packet.stream_index == stream.index
        if packet.pts is not None and packet.time_base:
            at = packet.pts * packet.time_base
            begin = at if begin is None else min(begin, at)
            end = max(end, _end_of(packet))
    if begin is None or container.format.name in RAW:
        rate = _exact_rate(stream)
        return count / rate if rate else None
    return end - max(begin, Fraction(0))


def _lasting(container: InputContainer) -> list[Stream]:
    return [
        stream for stream in container.streams if stream.type in ("video", "audio") and not is_cover(stream)
    ]


def _demux(container: InputContainer, *streams: Stream) -> "Iterator[Packet[Any]]":
    """The packets that can be read; one that ends the film is not told."""
    try:
        yield from (packet for packet in container.demux(*streams) if packet.size)
    except MemoryError:
        raise
    except av.error.FFmpegError:
        return


def _end_of(packet: "Packet[Any]") -> Fraction:
    at = packet.pts if packet.pts is not None else packet.dts
    return (
        Fraction(0)
        if at is None or not packet.time_base
        else (at + (packet.duration or 0)) * packet.time_base
    )


def describe(stream: Stream) -> dict[str, Any]:
    """A stream, as `metadata.streams` lists it."""
    told: dict[str, Any] = {
        "index": stream.index,
        "type": stream.type,
        "codec": codec_of(stream),
        "language": clean(stream.metadata.get("language")),
        "title": clean(stream.metadata.get("title")),
        "default": bool(stream.disposition & Disposition.default),
        "forced": bool(stream.disposition & Disposition.forced),
        "cover": True if stream.type == "video" and is_cover(stream) else None,
    }
    context: Any = stream.codec_context
    if stream.type in ("video", "audio") and context is not None:
        told["codec_string"] = codec_string(
            told["codec"],
            extradata=context.extradata or b"",
            profile=context.profile,
            tag=context.codec_tag,
            container=stream.container.format.name,
        )
    if stream.type == "subtitle":
        told["text"] = told["codec"] in TEXT_CODECS
    elif stream.type == "audio" and context is not None:
        told |= {"channels": context.channels, "sample_rate": context.sample_rate}
    return _known(told)


def _chapters(container: InputContainer) -> list[dict[str, Any]]:
    return [
        _known(
            {
                "start_ms": _milliseconds(chapter["start"], chapter["time_base"]),
                "end_ms": _milliseconds(chapter["end"], chapter["time_base"]),
                "title": clean(chapter["metadata"].get("title")),
            }
        )
        for chapter in container.chapters()[:MOST_CHAPTERS]
    ]


def _milliseconds(at: int, base: Fraction | None) -> int:
    return max(0, round(at * (base or 0) * 1000))


def _rate(stream: VideoStream) -> float | None:
    rate = _exact_rate(stream)
    return round(float(rate), 3) if rate else None


def _exact_rate(stream: VideoStream) -> Fraction | None:
    """Pictures a second; of a raw stream what its codec says, since its container only assumes one."""
    is_raw = stream.container.format.name in RAW and stream.codec_context is not None
    rate = (stream.codec_context.framerate if is_raw else None) or stream.average_rate or stream.guessed_rate
    return rate if rate and rate > 0 else None


def _container_name(container: InputContainer, head: bytes) -> str:
    names = container.format.name.split(",")
    if "matroska" in names:
        return "webm" if b"webm" in head else "matroska"
    if "mp4" in names:
        return "mov" if container.metadata.get("major_brand", "qt").startswith("qt") else "mp4"
    return names[0]


def clean(text: str | None) -> str | None:
    """A text of a file without what the database does not keep; None for an empty one."""
    kept = (text or "").replace("\0", "").encode("utf-8", "replace").decode()
    return " ".join(kept.split())[:LONGEST_TEXT].strip() or None


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
