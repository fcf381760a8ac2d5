"""What is found below a root."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from videovault.files.media_types import media_type_of
from videovault.files.walking import FoundFile, RootUnreachable, Trouble, read_mark, walk


def make(root: Path, *names: str | bytes) -> None:
    """Files with these names below the root; folders where a name ends with a slash."""
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        folder = path if path.endswith(b"/") else os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        if folder is not path:
            with open(path, "wb") as file:
                file.write(os.fsencode(name))


def names(root: Path, found: Iterable[FoundFile | Trouble]) -> list[str]:
    return [each.text.removeprefix(f"{root}/") for each in found]


def find(root: Path, *ignored: str) -> list[FoundFile | Trouble]:
    return list(walk(os.fsencode(root), ignored=ignored))


def test_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    make(tmp_path, "b/z.mp4", "b-1.mp4", "b.mp4", "a.mkv", "b/a/x.webm", "é.mp4", b"b\xff.mp4", "b/notes.txt")

    found = names(tmp_path, find(tmp_path))

    assert found == ["a.mkv", "b-1.mp4", "b.mp4", "b/a/x.webm", "b/z.mp4", r"b\xff.mp4", "é.mp4"]
    assert found == sorted(found)


def test_odd_names_are_found_with_their_bytes(tmp_path: Path) -> None:
    odd = ["new\nline.mp4", "q'u\"o.mp4", "\u202ertl.mp4", "🎬.mp4", "Ame\u0301lie.mp4", "Am\u00e9lie.mp4"]
    make(tmp_path, *odd, b"bad\xff.mp4", "100% #1, ä&ö?.mp4")

    found = [each for each in find(tmp_path) if isinstance(each, FoundFile)]

    assert {os.path.basename(each.path) for each in found} == {
        *(os.fsencode(name) for name in [*odd, "100% #1, ä&ö?.mp4"]),
        b"bad\xff.mp4",
    }


def test_links_are_not_followed_and_one_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(root, "a/film.mp4")
    (root / "a/loop").symlink_to("..")
    (root / "b").symlink_to("a")
    (root / "dead.mp4").symlink_to("/nowhere")
    (root / "self.mp4").symlink_to("self.mp4")
    (root / "out").symlink_to("/etc")
    make(tmp_path, "outside.mp4")
    (root / "out.mp4").symlink_to(tmp_path / "outside.mp4")

    found = find(root)

    assert names(root, found) == ["a/film.mp4", "dead.mp4", "self.mp4"]
    assert [each.code for each in found if isinstance(each, Trouble)] == ["unreadable"] * 2


def test_what_is_ignored_is_not_found(tmp_path: Path) -> None:
    make(
        tmp_path,
        *(
            "film.mp4",
            ".hidden.mp4",
            ".folder/a.mp4",
            "@eaDir/a.mp4",
            "lost+found/a.mp4",
            ".Trash-1000/a.mp4",
        ),
        *("a.mp4.part", "a.part/b.mp4", "a.mp4.crdownload", "quiet/.nomedia", "quiet/deep/a.mp4"),
        *("samples/a.mp4", "sample-1.mp4", "film.mp3", "mp4", ".mp4"),
    )

    assert names(tmp_path, find(tmp_path, "samples", "sample-?.mp4")) == ["film.mp4"]


def test_what_is_no_file_is_told_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")

    (found,) = find(tmp_path)

    assert found == Trouble(f"{tmp_path}/pipe.mp4", "unsupported", "no regular file")


def test_a_path_that_the_index_cannot_hold_is_told(tmp_path: Path) -> None:
    deep = os.fsencode(tmp_path) + b"/" + b"/".join([b"x" * 250] * 11)
    os.makedirs(deep)
    with open(deep + b"/film.mp4", "wb"):
        pass

    (found,) = find(tmp_path)

    assert isinstance(found, Trouble)
    assert found.code == "unsupported"


@pytest.mark.parametrize("make_root", ["nothing", "file", "link"])
def test_a_root_that_is_no_folder_is_unreachable(tmp_path: Path, make_root: str) -> None:
    root = tmp_path / "root"
    if make_root == "file":
        root.write_bytes(b"")
    elif make_root == "link":
        (tmp_path / "other").mkdir()
        root.symlink_to(tmp_path / "other")

    with pytest.raises(RootUnreachable):
        read_mark(os.fsencode(root))


AS_NOBODY = """
import os, sys
from videovault.files.walking import RootUnreachable, read_mark, walk
root = os.fsencode(sys.argv[1])
if os.geteuid() == 0:  # who reads everything
    os.setuid(65534)
try:
    read_mark(root)
except RootUnreachable as unreachable:
    print(unreachable)
try:
    list(walk(root))
except RootUnreachable as unreachable:
    print(unreachable)
print([(each.text, each.code, each.is_hiding) for each in walk(os.path.dirname(root))])
"""


def test_a_folder_that_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        os.chmod(folder, 0o755)  # noqa: S103 - it is empty
        closed = os.path.join(os.path.realpath(folder), "closed")
        os.mkdir(closed, 0)
        ended = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, closed], capture_output=True, text=True, check=False, timeout=60
        )

    assert (ended.stderr, ended.stdout.splitlines()) == (
        "",
        ["permission denied", "permission denied", str([(f"{closed}/", "unreadable", True)])],
    )


def test_another_folder_in_a_roots_place_has_another_mark(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    before = read_mark(os.fsencode(root))
    root.rename(tmp_path / "off")
    root.mkdir()

    assert read_mark(os.fsencode(root)) != before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a.mp4", "video/mp4"),
        (b"A.MKV", "video/x-matroska"),
        (b"a.b.webm", "video/webm"),
        (b".mp4", None),
        (b"mp4", None),
        (b"a.mp3", None),
    ],
)
def test_the_extension_says_the_media_type(name: bytes, expected: str | None) -> None:
    assert media_type_of(name) == expected
