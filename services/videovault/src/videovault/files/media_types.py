"""The media types of video files, by the extensions of their names."""

MEDIA_TYPES = {
    **dict.fromkeys((b"mp4", b"m4v", b"f4v"), "video/mp4"),
    **dict.fromkeys((b"mov", b"qt"), "video/quicktime"),
    **dict.fromkeys((b"mkv", b"mk3d"), "video/x-matroska"),
    **dict.fromkeys((b"avi", b"divx"), "video/x-msvideo"),
    **dict.fromkeys((b"ts", b"mts", b"m2ts"), "video/mp2t"),
    **dict.fromkeys((b"mpg", b"mpeg", b"mpe", b"m1v", b"m2v", b"vob"), "video/mpeg"),
    **dict.fromkeys((b"wmv", b"asf"), "video/x-ms-wmv"),
    **dict.fromkeys((b"ogv", b"ogm"), "video/ogg"),
    **dict.fromkeys((b"h264", b"264", b"avc"), "video/h264"),
    **dict.fromkeys((b"h265", b"265", b"hevc"), "video/h265"),
    b"webm": "video/webm",
    b"flv": "video/x-flv",
    b"3gp": "video/3gpp",
    b"3g2": "video/3gpp2",
    b"mxf": "application/mxf",
}
"""Of this repository, since that of the operating system differs from machine to machine."""


def media_type_of(name: bytes) -> str | None:
    """The media type of a file with this name; None for what is no video."""
    stem, dot, extension = name.rpartition(b".")
    return MEDIA_TYPES.get(extension.lower()) if stem and dot else None
