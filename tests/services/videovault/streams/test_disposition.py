"""Downloads under any name (RFC 6266, RFC 8187)."""

import re
from urllib.parse import unquote

import pytest

from videovault.streams.disposition import attachment


@pytest.mark.parametrize(
    ("name", "fallback", "saved"),
    [
        ("film.mp4", "film.mp4", "film.mp4"),
        ("100% #1, ä&ö?.mp4", "100_ #1, _&_?.mp4", "100% #1, ä&ö?.mp4"),
        ("\"quoted\" 'name'.mp4", "_quoted_ 'name'.mp4", "\"quoted\" 'name'.mp4"),
        ("two\r\nlines: x\x00\x1b.mp4", "two__lines: x__.mp4", "two__lines: x__.mp4"),
        ("\u2028\x85.mp4", "__.mp4", "__.mp4"),
        ("../../etc\\passwd", ".._.._etc_passwd", ".._.._etc_passwd"),
        ("🎬 夏.mp4", "_ _.mp4", "🎬 夏.mp4"),
        ("bad\ufffd.mp4", "bad_.mp4", "bad\ufffd.mp4"),
        ("a;b=c`|~$&+^!.mp4", "a;b=c`|~$&+^!.mp4", "a;b=c`|~$&+^!.mp4"),
    ],
)
def test_a_name_is_written_twice(name: str, fallback: str, saved: str) -> None:
    header = attachment(name)

    match = re.fullmatch(
        r"attachment; filename=\"([^\"\\]*)\"; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]*)", header
    )
    assert match is not None
    assert (match[1], unquote(match[2], errors="strict")) == (fallback, saved)
    assert header.isascii()
    assert header.isprintable()
