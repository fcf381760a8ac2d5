"""Codecs as media types name them (RFC 6381)."""

import pytest

from videovault.media.codec_strings import codec_string


@pytest.mark.parametrize(
    ("codec", "extradata", "options", "named"),
    [
        ("h264", "01640028ffe1", {}, "avc1.640028"),
        ("h264", "0142c00affe1", {}, "avc1.42c00a"),
        ("h264", "0000000109f00000000167640028ac", {}, "avc1.640028"),  # from a transport stream
        ("h264", "00000168ee", {}, None),
        ("h264", "", {}, None),
        ("hevc", "0101600000009000000000005d", {"tag": "hev1"}, "hev1.1.6.L93.90"),
        ("hevc", "0101600000009000000000005d", {}, "hvc1.1.6.L93.90"),
        ("hevc", "0122200000000000000000009600", {"tag": "hvc1"}, "hvc1.2.4.H150"),
        ("hevc", "0161600000009000000000005d", {}, "hvc1.A1.6.H93.90"),
        ("hevc", "00000001", {}, None),
        ("av1", "81000c00", {}, "av01.0.00M.08"),
        ("av1", "810d4c00", {}, "av01.0.13M.10"),
        ("av1", "8152e000", {}, "av01.2.18H.12"),
        ("av1", "", {}, None),
        ("aac", "1190", {}, "mp4a.40.2"),
        ("aac", "2b92", {}, "mp4a.40.5"),
        ("aac", "f94e", {}, "mp4a.40.42"),
        ("aac", "", {"profile": "LC"}, "mp4a.40.2"),
        ("aac", "", {}, None),
        ("mp3", "", {"container": "mp4"}, "mp4a.6B"),
        ("mp3", "", {"container": "avi"}, "mp3"),
        ("vp9", "", {"container": "webm"}, "vp9"),
        ("vp9", "", {"container": "mp4"}, None),
        ("vp8", "", {"container": "webm"}, "vp8"),
        ("opus", "4f707573", {"container": "webm"}, "opus"),
        ("eac3", "", {}, "ec-3"),
        ("wmv2", "5000", {}, None),
        (None, "", {}, None),
    ],
)
def test_a_codec_is_named(
    codec: str | None, extradata: str, options: dict[str, str], named: str | None
) -> None:
    told = {"profile": None, "tag": "", "container": "mp4", **options}
    assert codec_string(codec, extradata=bytes.fromhex(extradata), **told) == named  # type: ignore[arg-type]
