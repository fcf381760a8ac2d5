"""Text subtitles, embedded or in files of their own, as WebVTT. For worker processes only."""

import html
import io
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
from videovault.media.text_files import decode

MOST_BYTES = 16 * 2**20
"""Of the text of a track."""

FORMS = {"srt": "srt", "vtt": "webvtt", "ass": "ass", "ssa": "ass", "smi": "sami"}
"""The extensions of files with text subtitles, and the readers of these."""

_TAGS = re.compile(r"\{([^}]*)\}")
_DRAWINGS = re.compile(r"\\p([0-9]+)")
"""With `\\p1` what follows is a drawing, with `\\p0` text again."""

_STYLES = {"i1": "<i>", "i0": "</i>", "b1": "<b>", "b0": "</b>", "u1": "<u>", "u0": "</u>"}


def read_subtitles(file: BinaryIO, index: int) -> str:
    """The track of the stream with that index. Raises `NotReadable` when it is no text."""
    with open_container(file) as container:
        stream = next((each for each in container.streams.subtitles if each.index == index), None)
        if stream is None or codec_of(stream) not in TEXT_CODECS:
            raise NotReadable("unsupported", "this stream holds no text")
        for other in container.streams:
            other.discard = Discard.none if other is stream else Discard.all
        return _write_cues(container, index)


def convert_subtitles(file: BinaryIO, size: int, *, form: str, language: str | None) -> str:
    """The file of text subtitles, of one of `FORMS`, in whatever encoding. Raises `NotReadable` for a long one."""
    if size > MOST_BYTES:
        raise NotReadable("unsupported", f"it has more than {MOST_BYTES:,} bytes")
    # A NUL would end the text.
    text = decode(file.read(), language).replace("\0", "\ufffd")
    options = {"protocol_whitelist": "none", "format_whitelist": FORMS[form]}
    with av.open(
        io.BytesIO(text.encode()), "r", format=FORMS[form], metadata_errors="replace", options=options
    ) as container:
        return _write_cues(container, 0)


def _write_cues(container: InputContainer, index: int) -> str:
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
    told: list[str] = []
    is_drawing = False
    for number, part in enumerate(_TAGS.split(text)):
        # Every other part is what stood in braces.
        if number % 2:
            told.append(_style(part))
            drawings = _DRAWINGS.findall(part)
            is_drawing = drawings[-1] != "0" if drawings else is_drawing
        elif not is_drawing:
            told.append(html.escape(part, quote=False))
    lines = [line.strip() for line in "".join(told).split("\n")]
    return "\n".join(line for line in lines if line)


def _style(tags: str) -> str:
    return "".join(_STYLES.get(tag, "") for tag in tags.split("\\"))


def _clock(seconds: Fraction) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
