"""Paths of files: the bytes that the operating system knows, and the text that the database keeps.

A byte that is not UTF-8 is written `\\xNN`. So is 0x01, by which the database marks a path that a video had to leave, and the
backslash of a name that has such an escape in it already: each path has one text, and each text one path.
"""

import re

LONGEST_PATH = 2600
"""Bytes of a path's text: more do not fit into the index that keeps paths unique (2,704 bytes in a B-tree)."""

_LOOKS_ESCAPED = re.compile(rb"\\(?=x(?:[89a-f][0-9a-f]|01|5c))")
_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f]|01|5c)")


def to_text(path: bytes) -> str:
    """The text of a path, or of a part of it."""
    escaped = _LOOKS_ESCAPED.sub(rb"\\x5c", path).replace(b"\x01", rb"\x01")
    return escaped.decode("utf-8", "backslashreplace")


def to_bytes(text: str) -> bytes:
    """The path whose text this is."""
    return _ESCAPED.sub(lambda escape: bytes.fromhex(escape[1].decode()), text.encode())


def odd_bytes(path: bytes, text: str) -> bytes | None:
    """The path, if its text is another than its bytes; else None."""
    return None if text.encode() == path else path


def name_of(path: bytes) -> str:
    """The last part of a path for people: U+FFFD in place of what is not UTF-8."""
    return path.rpartition(b"/")[2].decode("utf-8", "replace")


def is_inside(path: bytes, folder: bytes) -> bool:
    """Whether a path is that of the folder, or below it. Both are real paths."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")
