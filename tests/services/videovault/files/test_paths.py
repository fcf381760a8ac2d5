"""Paths as bytes and as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovault.files.paths import is_inside, name_of, odd_bytes, to_bytes, to_text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"/films/a.mp4", "/films/a.mp4"),
        ("/films/é 影 🎬\u200f\n'\".mp4".encode(), "/films/é 影 🎬\u200f\n'\".mp4"),
        (b"/bad\xff.mp4", r"/bad\xff.mp4"),
        (b"/bad\\xff.mp4", r"/bad\x5cxff.mp4"),
        (b"/half\xc3", r"/half\xc3"),
        (b"/surrogate\xed\xa0\x80", r"/surrogate\xed\xa0\x80"),
        (b"/a\x01b", r"/a\x01b"),
        (b"/c:\\x41\\xFF", r"/c:\x41\xFF"),
    ],
)
def test_a_path_has_one_text(path: bytes, text: str) -> None:
    assert to_text(path) == text
    assert to_bytes(text) == path
    assert odd_bytes(path, text) == (None if path == text.encode() else path)


FRAGMENTS = st.sampled_from(
    [b"\\x", b"ff", b"01", b"5c", b"\x01", b"\xff", b"\xc3", "é".encode(), b"/", b"\\"]
)


@given(st.lists(st.one_of(FRAGMENTS, st.binary(max_size=3))).map(b"".join))
def test_each_path_comes_back_from_its_text(path: bytes) -> None:
    path = path.replace(b"\0", b"")
    text = to_text(path)

    assert to_bytes(text) == path
    assert "\x01" not in text
    assert to_text(b"/".join(path.split(b"/"))) == "/".join(map(to_text, path.split(b"/")))


def test_people_see_a_replacement_character() -> None:
    assert name_of(b"/films/bad\xff.mp4") == "bad\ufffd.mp4"


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        (b"/films", b"/films", True),
        (b"/films/a", b"/films", True),
        (b"/films2/a", b"/films", False),
        (b"/a", b"/films", False),
        (b"/a", b"/", True),
    ],
)
def test_a_path_is_inside_at_the_borders_of_its_parts(path: bytes, folder: bytes, expected: bool) -> None:
    assert is_inside(path, folder) == expected
