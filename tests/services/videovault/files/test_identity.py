"""Identities of files, by the vectors of the page."""

import os
from pathlib import Path

import pytest

from videovault.files.identity import (
    EDGE,
    EMPTY,
    FileChanged,
    FileFacts,
    facts_of,
    identify,
    read_identity,
)

VECTORS = {
    0: "2c0a8a99dc147d5445c3b49d035665b2",
    7: "5793a36b0a7dbd4a721da626c8aa18be",
    8: "57066aafe05d5a9f8dfe5d8fdfa9ac8b",
    65_537: "0ba7dc2e8f460867a91512e94341c791",
    131_073: "f81e0d5bcb2d67bbadae7f3879455f42",
}
"""By the number of bytes of a file whose byte `i` is `(31 * i + (i >> 8)) & 255`."""


def content(size: int) -> bytes:
    return bytes((31 * i + (i >> 8)) & 255 for i in range(size))


@pytest.mark.parametrize(("size", "identity"), VECTORS.items())
def test_the_identity_of_a_file_is_that_of_the_vectors(tmp_path: Path, size: int, identity: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content(size))

    assert read_identity(os.fsencode(path), facts_of(path.stat())).hex() == identity


def test_no_bytes_have_the_identity_of_empty_files() -> None:
    assert identify(0, b"", b"").hex() == VECTORS[0] == EMPTY.hex()


def test_of_a_sparse_file_of_five_gigabytes_only_the_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.truncate(5 * 2**30)
        file.seek(5 * 2**30 - 3)
        file.write(b"end")

    facts = facts_of(path.stat())

    assert facts.size == 5 * 2**30
    tail = bytes(EDGE - 3) + b"end"
    assert read_identity(os.fsencode(path), facts) == identify(facts.size, bytes(EDGE), tail)


def test_a_file_that_has_grown_since_it_was_seen_is_no_file_to_take(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"half")
    facts = facts_of(path.stat())
    path.write_bytes(b"half and half")

    with pytest.raises(FileChanged):
        read_identity(os.fsencode(path), facts)


def test_a_link_in_a_files_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "film.mp4").symlink_to(tmp_path / "secret")

    with pytest.raises(OSError, match=r"film\.mp4|symbolic"):
        read_identity(os.fsencode(tmp_path / "film.mp4"), FileFacts(size=6, mtime=0, inode=0))


def test_numbers_beyond_those_of_the_database_are_kept_apart() -> None:
    status = os.stat_result((0o100644, 2**64 - 1, 1, 1, 0, 0, 9, 0, 0, 0), {"st_mtime_ns": 2**70})

    facts = facts_of(status)

    assert (facts.inode, facts.mtime) == (-1, 2**63 - 1)
