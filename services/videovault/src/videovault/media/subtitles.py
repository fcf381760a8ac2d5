"""Embedded text subtitles as WebVTT. For worker processes only."""

import html
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Discard
from av.subtitles.subtitle import AssSubtitle

from videovault.media.containers import NotReadable, codec_of, open_container
from videovault.media.probing import TEXT_CODECS

MOST_BYTES = 16 * 2**20
"""Of the text of a track."""

_TAGS = re.compile(r"\{([^}]*)\}")
_STYLES = {"i1": "<i>", "i0": "</i>", "b1": "<b>", "b0": "</b>", "u1": "<u>", "u0": "</u>"}


def read_subtitles(file: BinaryIO, index: int) -> str:
    """The track of the stream with that index. Raises `NotReadable` when it is no text."""
    with open_container(file) as container:
        stream = next((each for each in container.streams.subtitles if each.index == index), None)
        if stream is None or codec_of(stream) not in TEXT_CODECS:
            raise NotReadable("unsupported", "this stream holds no text")
        for other in container.streams:
            other.discard = Discard.none if other is stream else Discard.all
        cues, size = ["WEBVTT"], 0
        for start, end, text in _read_cues(container, index):
            cue = f"{_clock(start)} --> {_clock(end)}\n{text}"
            size += len(cue)
            if size > MOST_BYTES:
                raise NotReadable("unsupported", f"its text has more than {MOST_BYTES:,} characters")
            cues.append(cue)
    return "\n\n".join(cues) + "\n"


def _read_cues(container: InputContainer, index: int) -> Iterator[tuple[Fraction, Fraction, str]]:
    """The cues that have a text: begin and end in seconds."""
    begin = Fraction(max(container.start_time or 0, 0), av.time_base)
    stream = container.streams[index]
    for packet in container.demux(stream):
        if packet.pts is None or not packet.size:
            continue
        try:
            rects = packet.decode()
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError):
            continue
        lines = [to_vtt(rect.ass) for rect in rects if isinstance(rect, AssSubtitle)]
        text = "\n".join(line for line in lines if line)
        start = packet.pts * packet.time_base - begin
        end = start + (packet.duration or 0) * packet.time_base
        if text and end > start >= 0:
            yield start, end, text


def to_vtt(dialogue: bytes) -> str:
    """The text of a line of ASS, of which eight fields come before the text, as that of a cue."""
    text = dialogue.decode("utf-8", "replace").split(",", 8)[-1]
    for sign, meant in (("\\N", "\n"), ("\\n", "\n"), ("\\h", " "), ("\r", "")):
        text = text.replace(sign, meant)
    parts = _TAGS.split(text)
    # Every other part is what stood in braces.
    told = [
        _style(part) if number % 2 else html.escape(part, quote=False) for number, part in enumerate(parts)
    ]
    lines = [line.strip() for line in "".join(told).split("\n")]
    return "\n".join(line for line in lines if line)


def _style(tags: str) -> str:
    return "".join(_STYLES.get(tag, "") for tag in tags.split("\\"))


def _clock(seconds: Fraction) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
