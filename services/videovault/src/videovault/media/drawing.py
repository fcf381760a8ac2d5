"""Pictures of films. For worker processes only."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.filter
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videovault.media.containers import RAW, NotReadable, find_picture, open_container, pixel_aspect
from videovault.media.probing import MOST_PIXELS, clockwise

THUMBNAIL_SIZE = 480
"""Pixels of the longer side, at most."""

TILE_SIZE = 160
"""Pixels of the longer side of a picture of a sprite."""

COLUMNS = 10
MOST_TILES = 100
"""Pictures of a sprite: side by side, and in all."""

SHORTEST_STEP = 1
"""Seconds between the pictures of a sprite, at least."""

MOST_FRAMES = 1000
"""Frames that are decoded up to the second that is asked for."""

_QUALITY = 4
"""Of JPEG: 1 is the best, 31 the worst."""

_TURNS = {90: ("transpose=1",), 180: ("hflip", "vflip"), 270: ("transpose=2",)}
_PIXELS = "yuvj420p"


def draw_thumbnail(file: BinaryIO, *, at: float | None, duration_ms: int | None) -> bytes:
    """A JPEG of the picture at a second; without one, of a picture a tenth into the film. Raises `NotReadable`."""
    with open_container(file) as container:
        stream = _prepare(container)
        duration = _duration(container, duration_ms)
        wanted = Fraction(at).limit_denominator(1000) if at is not None else duration / 10
        # Not all formats can be entered anywhere.
        for moment in (min(wanted, duration), duration / 2, Fraction(0)):
            frame = _find(container, stream, moment, is_exact=at is not None)
            if frame is not None:
                return _encode(_show(frame, stream, most=THUMBNAIL_SIZE))
    raise NotReadable("incomplete", "it holds no picture")


def draw_sprite(file: BinaryIO, *, duration_ms: int | None) -> tuple[dict[str, Any], bytes]:
    """Pictures from the whole film, row by row in one JPEG; and where they are: `count`, `columns`, `step_ms` between them,
    `width` and `height` of one, `duration_ms`. Raises `NotReadable`."""
    with open_container(file) as container:
        stream = _prepare(container)
        duration = _duration(container, duration_ms)
        step = max(duration / MOST_TILES, Fraction(SHORTEST_STEP))
        count = max(1, -(-duration // step))
        if stream.codec_context is not None:
            stream.codec_context.skip_frame = "NONKEY"
        sheet: _Sheet | None = None
        for number in range(count):
            frame = _find(container, stream, number * step, is_exact=False)
            if frame is not None:
                tile = _show(frame, stream, most=TILE_SIZE)
                sheet = sheet or _Sheet(tile.width, tile.height, count)
                sheet.put(number, tile)
        if sheet is None:
            raise NotReadable("incomplete", "it holds no picture")
        places = {
            "count": count,
            "columns": COLUMNS,
            "step_ms": round(step * 1000),
            "width": sheet.width,
            "height": sheet.height,
            "duration_ms": round(duration * 1000),
        }
        return places, _encode(sheet.picture())


def _prepare(container: InputContainer) -> VideoStream:
    stream = find_picture(container)
    context = stream.codec_context
    if context is None:
        raise NotReadable("unsupported", "its codec is not known")
    if context.width * context.height > MOST_PIXELS:
        raise NotReadable("unsupported", f"its picture has more than {MOST_PIXELS:,} pixels")
    context.thread_count = 1
    return stream


def _duration(container: InputContainer, duration_ms: int | None) -> Fraction:
    """Seconds: what was found before, or what the container tells."""
    if duration_ms is not None:
        return Fraction(duration_ms, 1000)
    told = container.duration
    return Fraction(told, av.time_base) if told is not None and told > 0 else Fraction(0)


def _find(
    container: InputContainer, stream: VideoStream, at: Fraction, *, is_exact: bool
) -> VideoFrame | None:
    """The picture that is shown at a second, or a key frame before it; the last one before, if there is none so late."""
    start = Fraction(max(container.start_time or 0, 0), av.time_base)
    try:
        if container.format.name not in RAW:
            container.seek(int((start + at) * av.time_base))
    except av.error.FFmpegError:
        return None
    found = None
    for number, frame in enumerate(_decode(container, stream)):
        if found is not None and is_exact and frame.time is not None and frame.time - float(start) > at:
            break
        found = frame
        if not is_exact or number >= MOST_FRAMES:
            break
    return found


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except MemoryError:
            raise
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, ValueError):
            continue


def _show(frame: VideoFrame, stream: VideoStream, *, most: int) -> VideoFrame:
    """A frame with square pixels, upright, and with no side longer than that. Sides are even."""
    width, height = Fraction(frame.width) * pixel_aspect(stream), Fraction(frame.height)
    scale = min(Fraction(1), most / max(width, height))
    small = frame.reformat(width=_even(width * scale), height=_even(height * scale), format=_PIXELS)
    turns = _TURNS.get(clockwise(frame))
    return small if turns is None else _turn(small, turns)


def _even(length: Fraction) -> int:
    return max(2, round(length / 2) * 2)


def _turn(frame: VideoFrame, turns: tuple[str, ...]) -> VideoFrame:
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
        )
    ]
    for turn in turns:
        name, _, argument = turn.partition("=")
        nodes.append(graph.add(name, argument or None))
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    frame.pts, frame.time_base = 0, Fraction(1, 1000)
    graph.vpush(frame)
    return graph.vpull()


def _encode(frame: VideoFrame) -> bytes:
    context: Any = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, _PIXELS
    context.time_base = Fraction(1, 1)
    context.qmin = context.qmax = _QUALITY
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    packets = [*context.encode(frame), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


class _Sheet:
    """Tiles of one size in rows, plane by plane."""

    def __init__(self, width: int, height: int, count: int) -> None:
        self.width, self.height = width, height
        self._frame = VideoFrame(width * min(count, COLUMNS), height * -(-count // COLUMNS), _PIXELS)
        # Black is 0, and no colour 128.
        self._planes = [
            bytearray([128 if number else 0]) * plane.buffer_size
            for number, plane in enumerate(self._frame.planes)
        ]

    def put(self, number: int, tile: VideoFrame) -> None:
        """Copy a tile to its place, if it has the size."""
        if (tile.width, tile.height) != (self.width, self.height):
            return
        row, column = divmod(number, COLUMNS)
        for target, plane, source in zip(self._planes, self._frame.planes, tile.planes, strict=True):
            width, height = source.width, source.height
            data = bytes(source)
            for line in range(height):
                at = (row * height + line) * plane.line_size + column * width
                begin = line * source.line_size
                target[at : at + width] = data[begin : begin + width]

    def picture(self) -> VideoFrame:
        """The tiles as one frame."""
        for plane, content in zip(self._frame.planes, self._planes, strict=True):
            plane.update(bytes(content))
        return self._frame
