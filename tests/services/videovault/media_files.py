"""Films that the tests make: tiny ones, in many containers and codecs."""

import itertools
import random
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.video.frame import VideoFrame


@dataclass(frozen=True, kw_only=True)
class Film:
    """What a file is to hold: `seconds` of a picture whose upper half is red and lower half blue, and of a tone.

    From the second `turned_from` on the halves have changed places. `noise` in their place makes large files. `pixel_aspect` is
    told, not done. `subtitles`: begin and end in seconds, and a text.
    """

    format: str
    video: str | None = "libx264"
    audio: str | None = None
    seconds: float = 2
    width: int = 64
    height: int = 48
    fps: int | Fraction = 10
    pixel_aspect: Fraction | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    subtitles: Iterable[tuple[float, float, str]] = ()
    subtitle_codec: str = "subrip"
    language: str = "eng"
    cover: bool = False
    chapters: Iterable[tuple[float, float, str]] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    turned_from: float | None = None
    noise: bool = False
    key_every: int = 10


KINDS = {
    "h264.mp4": Film(format="mp4", audio="aac"),
    "h264.mov": Film(format="mov", audio="aac"),
    "hevc.mkv": Film(
        format="matroska",
        video="libx265",
        audio="libopus",
        options={"x265-params": "log-level=none:pools=none:frame-threads=1"},
    ),
    "vp9.webm": Film(format="webm", video="libvpx-vp9", audio="libopus"),
    "vp8.webm": Film(format="webm", video="libvpx"),
    "av1.mp4": Film(format="mp4", video="av1"),
    "mpeg4.avi": Film(format="avi", video="mpeg4", audio="libmp3lame"),
    "h264.ts": Film(format="mpegts", audio="aac"),
    "mpeg2.mpg": Film(format="vob", video="mpeg2video", audio="mp2", fps=25),
    "wmv2.wmv": Film(format="asf", video="wmv2", audio="libmp3lame"),
    "flv1.flv": Film(format="flv", video="flv"),
    "h263.3gp": Film(format="3gp", video="h263", width=176, height=144),
    "vp8.ogv": Film(format="ogg", video="libvpx"),
    "mpeg2.mxf": Film(format="mxf", video="mpeg2video", fps=25),
    "prores.mov": Film(format="mov", video="prores", pixels="yuv422p10le"),
    "mjpeg.avi": Film(format="avi", video="mjpeg", pixels="yuvj420p"),
    "raw.h264": Film(format="h264"),
    "raw.hevc": Film(
        format="hevc", video="libx265", options={"x265-params": "log-level=none:pools=none:frame-threads=1"}
    ),
}
"""One of each container and codec."""

CODECS = {
    "libx264": "h264",
    "libx265": "hevc",
    "libvpx-vp9": "vp9",
    "libvpx": "vp8",
    "flv": "flv1",
    "libopus": "opus",
    "libmp3lame": "mp3",
}
"""The codecs' own names, where those of their encoders are others."""


AV1 = Path(__file__).with_name("av1.mp4")
"""Two seconds that were encoded once: the threads of the encoder (SVT-AV1) wait for each other by spinning, which takes minutes
on a busy machine."""


def make_film(path: Path, film: Film) -> Path:
    """Write the film."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if film.video == "av1":
        path.write_bytes(AV1.read_bytes())
        return path
    with av.open(str(path), "w", format=film.format, options=dict(film.options)) as output:
        output.metadata.update(film.tags)
        if film.chapters:
            output.set_chapters([_chapter(number, *each) for number, each in enumerate(film.chapters)])
        cover = _add_cover(output) if film.cover else None
        video = _add_video(output, film) if film.video else None
        audio = output.add_stream(film.audio, rate=48000) if film.audio else None
        subtitles = _add_subtitles(output, film)
        output.start_encoding()
        for step in (cover, subtitles):
            if step is not None:
                step()
        if video is not None:
            for number in range(round(film.seconds * film.fps)):
                is_turned = film.turned_from is not None and number >= film.turned_from * film.fps
                frame = picture(
                    film.width, film.height, film.pixels, is_turned=is_turned, is_noise=film.noise
                )
                frame.pts, frame.time_base = number, 1 / Fraction(film.fps)
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        if audio is not None:
            _write_tone(output, audio, film.seconds)
    return path


def picture(
    width: int, height: int, pixels: str = "yuv420p", *, is_turned: bool = False, is_noise: bool = False
) -> VideoFrame:
    """A frame whose upper half is red and whose lower half is blue, or the other way round; or noise."""
    upper, lower = bytes([255, 0, 0, 255]) * width, bytes([0, 0, 255, 255]) * width
    if is_turned:
        upper, lower = lower, upper
    rows = upper * (height // 2) + lower * (height - height // 2)
    if is_noise:
        rows = random.Random(height).randbytes(4 * width * height)  # noqa: S311
    return VideoFrame.from_bytes(rows, width, height, format="rgba").reformat(format=pixels)


def encode_picture(width: int, height: int, codec: str = "png") -> bytes:
    """A picture as a file."""
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height = width, height
    context.pix_fmt = "rgb24" if codec == "png" else "yuvj420p"
    context.time_base = Fraction(1, 1)
    packets = context.encode(picture(width, height, context.pix_fmt)) + context.encode(None)
    return b"".join(bytes(packet) for packet in packets)


def turn(data: bytes, degrees: int) -> bytes:
    """An MP4 file whose picture is shown turned clockwise: its matrix (ISO/IEC 14496-12 §8.3.2) says so."""
    one, zero, w = 1 << 16, 0, 1 << 30
    a, b, c, d = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, w)
    turned = struct.pack(">9i", a, b, zero, c, d, 0, 0, 0, w)
    at = data.index(plain, data.index(b"tkhd"))
    return data[:at] + turned + data[at + len(plain) :]


def _add_video(output: OutputContainer, film: Film) -> Any:
    options = {"preset": "ultrafast"} if film.video in ("libx264", "libx265") else {}
    stream: Any = output.add_stream(film.video or "", rate=film.fps, options={**options, **film.options})
    stream.width, stream.height, stream.pix_fmt = film.width, film.height, film.pixels
    stream.gop_size = film.key_every
    stream.codec_context.thread_count = 1
    if film.pixel_aspect is not None:
        stream.codec_context.sample_aspect_ratio = film.pixel_aspect
    return stream


def _add_cover(output: OutputContainer) -> Callable[[], None] | None:
    if output.format.name == "matroska":
        output.add_attachment("cover.png", "image/png", encode_picture(30, 20))
        return None
    stream: Any = output.add_stream("png", rate=1)
    stream.width, stream.height, stream.pix_fmt = 30, 20, "rgb24"
    stream.disposition = av.stream.Disposition.attached_pic

    def write() -> None:
        frame = picture(30, 20, "rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        output.mux(stream.encode(frame))

    return write


def _add_subtitles(output: OutputContainer, film: Film) -> Callable[[], None] | None:
    cues = list(film.subtitles)
    if not cues:
        return None
    stream: Any = output.add_mux_stream(film.subtitle_codec)
    stream.metadata["language"] = film.language

    def write() -> None:
        for begin, end, text in cues:
            packet = av.Packet(text.encode())
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = round(begin * 1000)
            packet.duration = round((end - begin) * 1000)
            output.mux(packet)

    return write


def _write_tone(output: OutputContainer, stream: Any, seconds: float) -> None:
    context = stream.codec_context
    layout, size = "stereo", context.frame_size or 1024
    for number in itertools.count():
        if number * size >= seconds * 48000:
            break
        frame = AudioFrame(format=context.format.name, layout=layout, samples=size)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * size, Fraction(1, 48000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _chapter(number: int, begin: float, end: float, title: str) -> Any:
    return {
        "id": number,
        "start": round(begin * 1000),
        "end": round(end * 1000),
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }
