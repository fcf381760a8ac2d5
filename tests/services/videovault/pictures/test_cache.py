"""The folder of pictures: each is made once, the least used go, and nothing is left half."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from videovault.pictures.cache import OLD_SECONDS, UNFINISHED, CacheUnusable, DiskCache


class Maker:
    """Makes a content, and counts."""

    def __init__(self, content: bytes = b"x" * 100) -> None:
        self.content = content
        self.count = 0

    async def __call__(self) -> bytes:
        self.count += 1
        await asyncio.sleep(0)
        return self.content


def names(folder: Path) -> set[str]:
    """The files in the folder."""
    return {path.name for path in folder.iterdir()}


def use_at(folder: Path, moments: dict[str, int]) -> None:
    """Say when files were used last, in seconds."""
    for name, moment in moments.items():
        os.utime(folder / name, (moment, moment))


async def test_those_who_want_a_file_at_once_share_it_and_it_is_kept(tmp_path: Path) -> None:
    cache, make = DiskCache(tmp_path / "new/folder", most_bytes=1000), Maker()

    found = await asyncio.gather(*(cache.get("a", make) for _ in range(20)))

    assert (set(found), make.count) == ({make.content}, 1)
    again = DiskCache(tmp_path / "new/folder", most_bytes=1000)
    assert (await again.get("a", make), make.count) == (make.content, 1)


async def test_one_who_goes_away_takes_nothing_from_the_others(tmp_path: Path) -> None:
    cache, make = DiskCache(tmp_path, most_bytes=1000), Maker()
    first = asyncio.create_task(cache.get("a", make))
    second = asyncio.create_task(cache.get("a", make))
    while make.count == 0:  # noqa: ASYNC110 - the reading of the folder is on a thread
        await asyncio.sleep(0)
    first.cancel()

    assert (await second, make.count) == (make.content, 1)


async def test_what_fails_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, most_bytes=1000)

    async def fail() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        await cache.get("a", fail)
    assert names(tmp_path) == set()
    assert await cache.get("a", Maker(b"y")) == b"y"


async def test_the_least_used_files_are_thrown_out(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, most_bytes=450)
    for name in "abcd":
        await cache.get(name, Maker())
    use_at(tmp_path, {"a": 1000, "b": 1001, "c": 1002, "d": 1003})
    await cache.get("a", Maker())  # used again

    await cache.get("e", Maker())

    assert names(tmp_path) == {"a", "d", "e"} | {"c"}


async def test_what_dead_processes_left_is_thrown_out(tmp_path: Path) -> None:
    for name in ("old", "young"):
        (tmp_path / f"{UNFINISHED}{name}").write_bytes(b"x")
    os.utime(
        tmp_path / f"{UNFINISHED}old",
        (0, os.stat(tmp_path / f"{UNFINISHED}young").st_mtime - 2 * OLD_SECONDS),
    )

    await DiskCache(tmp_path, most_bytes=1000).get("a", Maker())

    assert names(tmp_path) == {"a", f"{UNFINISHED}young"}


async def test_a_full_disk_is_told_and_leaves_nothing_half(tmp_path: Path) -> None:
    is_full = True

    def write(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2] if is_full else content)
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = DiskCache(tmp_path, most_bytes=1000, write=write)

    with pytest.raises(CacheUnusable, match="no space left on device") as unusable:
        await cache.get("a", Maker())

    assert (unusable.value.is_full, names(tmp_path)) == (True, set())
    is_full = False
    assert await cache.get("a", Maker()) == b"x" * 100
