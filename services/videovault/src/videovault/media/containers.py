"""Opening media files with libav, and what their first bytes say. For worker processes only: these files may be hostile."""

from fractions import Fraction
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

RAW = frozenset({"h264", "hevc", "m4v", "mpegvideo", "obu", "ivf"})
"""Formats without an index or a duration."""

FORMATS = ("mov", "matroska", "avi", "mpegts", "mpeg", "ogg", "asf", "flv", "live_flv", "mxf", *sorted(RAW))
"""What is opened. Playlists, lists of files and descriptions of sessions, which lead elsewhere, are not."""

STILL = frozenset({"png", "mjpeg", "bmp", "gif", "tiff", "webp"})
"""Codecs of covers, where there is another picture."""

_STARTS = (
    b"\x1a\x45\xdf\xa3",
    b"FLV",
    b"OggS",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
    b"\x30\x26\xb2\x75",
)
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp")
_SEGMENT = b"\x18\x53\x80\x67"
_MOST_BOXES = 100_000


class NotReadable(Exception):
    """The file holds no film that can be read. `code` is that of a scan's error."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def open_container(file: BinaryIO) -> InputContainer:
    """The container of a file. Raises `NotReadable`. Nothing else is opened, whatever the file names."""
    file.seek(0)
    whitelists = {"protocol_whitelist": "none", "format_whitelist": ",".join(FORMATS)}
    try:
        return av.open(file, "r", metadata_errors="replace", options=whitelists)
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        head = read_at(file, 0, 512)
        if looks_like_film(head):
            raise NotReadable("incomplete", "a part of it is not there, or damaged") from error
        raise NotReadable("unsupported", "no video format that is known") from error


def find_picture(container: InputContainer) -> VideoStream:
    """The stream of the film's picture; covers are none. Raises `NotReadable` without one."""
    streams = [stream for stream in container.streams.video if not is_cover(stream)]
    if not streams:
        raise NotReadable("unsupported", "it has no moving picture")
    # The sort is stable: of equal ones the first.
    return min(streams, key=lambda stream: codec_of(stream) in STILL or codec_of(stream) is None)


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a picture beside the film."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def codec_of(stream: Stream) -> str | None:
    """The name of the codec, not of the library that decodes it; None for an unknown one."""
    context = stream.codec_context
    return None if context is None else context.codec.canonical_name


def pixel_aspect(stream: VideoStream) -> Fraction:
    """How much wider than high a pixel is."""
    found = stream.sample_aspect_ratio
    return found if found is not None and found > 0 else Fraction(1)


def looks_like_film(head: bytes) -> bool:
    """Whether a file begins as those of a known format do."""
    return (
        head.startswith(_STARTS)
        or head[4:8] in _BOXES
        or (head[:4] == b"RIFF" and head[8:11] == b"AVI")
        or (head[:1] == b"\x47" and head[188:189] == b"\x47")
    )


def is_cut_off(file: BinaryIO, size: int) -> bool:
    """Whether a file of this size says that it is longer: a copy or a download that has not ended."""
    head = read_at(file, 0, 64)
    if head[4:8] in _BOXES:
        return _end_of_boxes(file, size) > size
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little") > size
    if head.startswith(_STARTS[0]):
        return _end_of_segment(file) > size
    return False


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    end = 0
    for _ in range(_MOST_BOXES):
        head = read_at(file, end, 16)
        if end >= size or len(head) < 8:
            break
        length = int.from_bytes(head[:4])
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:])
        if length < 8:
            break  # 0: up to the end of the file
        end += length
    return end


def _end_of_segment(file: BinaryIO) -> int:
    head = read_at(file, 0, 4096)
    length, begin = _read_vint(head, 4)
    at = begin + length
    if head[at : at + 4] != _SEGMENT:
        return 0
    length, begin = _read_vint(head, at + 4)
    return begin + length


def _read_vint(data: bytes, at: int) -> tuple[int, int]:
    """A length of EBML (RFC 8794 §4) and where it ends; 0 for an unknown one."""
    first = data[at] if at < len(data) else 0
    width = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + width]) & ((1 << 7 * width) - 1)
    is_unknown = width > 8 or value == (1 << 7 * width) - 1
    return (0 if is_unknown else value), at + width


def read_at(file: BinaryIO, at: int, most: int) -> bytes:
    """Up to so many bytes of a file."""
    file.seek(at)
    return file.read(most)
