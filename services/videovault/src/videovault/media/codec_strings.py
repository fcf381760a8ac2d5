"""The names of codecs with their profiles and levels, as media types have them (RFC 6381), so far as a file tells them."""

from collections.abc import Callable

_PLAIN = {
    "vp8": "vp8",
    "theora": "theora",
    "opus": "opus",
    "vorbis": "vorbis",
    "flac": "flac",
    "ac3": "ac-3",
    "eac3": "ec-3",
}
"""Codecs without profiles, or whose names say enough."""

_AAC_TYPES = {"Main": 1, "LC": 2, "SSR": 3, "LTP": 4, "HE-AAC": 5, "HE-AACv2": 29}
"""ISO/IEC 14496-3, table 1.17, by FFmpeg's names."""

_SPS = b"\x00\x00\x01"


def codec_string(
    codec: str | None, *, extradata: bytes, profile: str | None, tag: str, container: str
) -> str | None:
    """The codec as a media type names it; None where the file does not tell all of it. `extradata`: the decoder's configuration;
    `tag`: what the container calls the codec; `container`: as FFmpeg calls that, `mov,mp4,…` say."""
    if codec == "vp9":
        return "vp9" if "webm" in container else None
    if codec == "mp3":
        return "mp4a.6B" if "mp4" in container else "mp3"
    if codec == "aac":
        return _aac(extradata, profile)
    read = _READERS.get(codec or "")
    return _PLAIN.get(codec or "") if read is None else read(extradata, tag)


def _h264(data: bytes, _tag: str) -> str | None:
    """ISO/IEC 14496-15 §5.3.3.1, or a sequence parameter set (ITU-T H.264 §7.3.2.1.1)."""
    if data[:1] == b"\x01" and len(data) >= 4:
        return f"avc1.{data[1:4].hex()}"
    for unit in data.split(_SPS)[1:]:
        if len(unit) >= 4 and unit[0] & 31 == 7:
            return f"avc1.{unit[1:4].hex()}"
    return None


def _hevc(data: bytes, tag: str) -> str | None:
    """ISO/IEC 14496-15, annex E.3."""
    if data[:1] != b"\x01" or len(data) < 13:
        return None
    space, tier, profile = data[1] >> 6, data[1] >> 5 & 1, data[1] & 31
    compatible = int(f"{int.from_bytes(data[2:6]):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in data[6:12].rstrip(b"\0"))
    entry = tag if tag in ("hvc1", "hev1") else "hvc1"
    return f"{entry}.{['', 'A', 'B', 'C'][space]}{profile}.{compatible:X}.{'LH'[tier]}{data[12]}{constraints}"


def _av1(data: bytes, _tag: str) -> str | None:
    """AV1 Codec ISO Media File Format Binding, section 5."""
    if data[:1] != b"\x81" or len(data) < 4:
        return None
    profile, level = data[1] >> 5, data[1] & 31
    tier, is_high, is_twelve = data[2] >> 7, data[2] >> 6 & 1, data[2] >> 5 & 1
    depth = 12 if is_high and is_twelve else 10 if is_high else 8
    return f"av01.{profile}.{level:02}{'MH'[tier]}.{depth:02}"


def _aac(data: bytes, profile: str | None) -> str | None:
    """The audio object type (ISO/IEC 14496-3 §1.6.2.1)."""
    kind: int | None = _AAC_TYPES.get(profile or "")
    if len(data) >= 2:
        kind = data[0] >> 3
        if kind == 31:
            kind = 32 + ((data[0] & 7) << 3 | data[1] >> 5)
    return None if kind is None else f"mp4a.40.{kind}"


_READERS: dict[str, Callable[[bytes, str], str | None]] = {"h264": _h264, "hevc": _hevc, "av1": _av1}
