"""What size, time and inode say about a file."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from videovault.files.comparing import DAY, KnownFile, compare, is_same
from videovault.files.identity import FileFacts
from videovault.files.walking import FoundFile

NOW = 1_800_000_000 * 10**9
FACTS = FileFacts(size=9, mtime=NOW - DAY, inode=7)
VIDEO = KnownFile(
    id=UUID(int=1), path="/a", size=9, mtime=NOW - DAY, inode=7, identity=b"i", is_missing=False
)


@pytest.mark.parametrize(
    ("facts", "video", "expected"),
    [
        ({}, {}, True),
        ({"size": 10}, {}, False),
        ({"mtime": NOW}, {}, False),
        ({"inode": 8}, {}, False),
        ({"inode": 8}, {"inode": None}, True),
        ({"mtime": NOW}, {"inode": None}, False),
        ({"mtime": NOW + 365 * DAY}, {}, True),
        ({"mtime": NOW + 365 * DAY, "inode": 8}, {}, False),
        ({"mtime": NOW + DAY // 2}, {}, False),
        ({}, {"identity": None}, False),
    ],
)
def test_a_file_is_the_one_that_was_read(
    facts: dict[str, Any], video: dict[str, Any], expected: bool
) -> None:
    assert is_same(replace(FACTS, **facts), replace(VIDEO, **video), now=NOW) == expected


def test_a_range_is_compared() -> None:
    files = [FoundFile(path.encode(), path, FACTS) for path in ("/same", "/back", "/new", "/changed")]
    videos = [
        replace(VIDEO, path=path, **changed)  # type: ignore[arg-type]  # each of another type
        for path, changed in {
            "/same": {},
            "/back": {"is_missing": True},
            "/changed": {"size": 8},
            "/gone": {},
            "/hidden/a": {},
            "/by hand": {"identity": None},
        }.items()
    ]

    found = compare(files, videos, hidden=["/hidden/"], now=NOW)

    assert [seen.file.text for seen in found.unchanged] == ["/same"]
    assert [seen.file.text for seen in found.returned] == ["/back"]
    assert [(file.text, video and video.path) for file, video in found.unread] == [
        ("/new", None),
        ("/changed", "/changed"),
    ]
    assert [video.path for video in found.missing] == ["/gone"]
    assert len(compare(files, videos, is_full=True, now=NOW).unread) == 4
