"""Which files are opened: those in the root itself."""

import os
from pathlib import Path

import pytest

from videovault.files.identity import FileChanged
from videovault.files.opening import NotInRoot
from videovault.streams.opening import OpenFile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a film, beside one with the same beginning."""
    root = tmp_path.resolve() / "films"
    for name in ("films/a.mp4", "films/deep/er/b.mp4", "films-2/c.mp4", "secret"):
        (root.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (root.parent / name).write_bytes(name.encode())
    return root


def open_below(root: Path, path: str | Path, *, allowed: Path | None = None) -> OpenFile:
    folders = [os.fsencode(allowed or root)]
    return OpenFile.below(os.fsencode(root), os.fsencode(path), allowed=folders)


def test_a_file_of_the_root_is_read(root: Path) -> None:
    for name in ("a.mp4", "deep/er/b.mp4"):
        file = open_below(root, root / name)
        assert file.read(0, file.facts.size) == f"films/{name}".encode()
        assert file.read(2, 3) == b"lms"
        file.close()


def test_a_root_may_lie_below_what_is_allowed(root: Path) -> None:
    open_below(root, root / "a.mp4", allowed=root.parent).close()


@pytest.mark.parametrize(
    "path",
    [
        "films/../secret",
        "films/../films/a.mp4",
        "films/./a.mp4",
        "films//a.mp4",
        "films/deep/../a.mp4",
        "films-2/c.mp4",
        "films",
        "films/",
        "films/deep",
        "films/a.mp4/",
        "films/a.mp4/b",
        "secret",
    ],
)
def test_other_paths_are_refused(root: Path, path: str) -> None:
    with pytest.raises(NotInRoot):
        open_below(root, f"{root.parent}/{path}")


@pytest.mark.parametrize("path", ["a.mp4", "", "films/a.mp4"])
def test_a_path_that_is_not_absolute_is_refused(
    root: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(NotInRoot):
        open_below(root, path)


@pytest.mark.parametrize(
    ("link", "target", "path"),
    [
        ("films/out.mp4", "../secret", "films/out.mp4"),
        ("films/in.mp4", "a.mp4", "films/in.mp4"),
        ("films/aside", "../films-2", "films/aside/c.mp4"),
        ("films/within", "deep", "films/within/er/b.mp4"),
        ("films/deep/up", "..", "films/deep/up/a.mp4"),
        ("films/nowhere.mp4", "nothing", "films/nowhere.mp4"),
    ],
)
def test_no_link_is_followed(root: Path, link: str, target: str, path: str) -> None:
    (root.parent / link).symlink_to(target)
    with pytest.raises(NotInRoot):
        open_below(root, root.parent / path)


def test_a_root_that_became_a_link_is_refused(root: Path) -> None:
    root.rename(root.parent / "elsewhere")
    root.symlink_to("elsewhere")
    with pytest.raises(NotInRoot):
        open_below(root, root / "a.mp4", allowed=root.parent)


def test_a_root_that_is_not_allowed_any_more_is_refused(root: Path) -> None:
    with pytest.raises(NotInRoot):
        open_below(root, root / "a.mp4", allowed=root.parent / "films-2")


def test_what_is_no_regular_file_is_refused_and_waits_for_nobody(root: Path) -> None:
    os.mkfifo(root / "pipe.mp4")
    with pytest.raises(NotInRoot):
        open_below(root, root / "pipe.mp4")


def test_a_missing_file_is_told(root: Path) -> None:
    for name in ("b.mp4", "gone/a.mp4"):
        with pytest.raises(FileNotFoundError):
            open_below(root, root / name)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_told(root: Path) -> None:
    (root / "a.mp4").chmod(0)
    with pytest.raises(PermissionError):
        open_below(root, root / "a.mp4")


def test_another_file_in_its_place_does_not_change_what_is_read(root: Path) -> None:
    file = open_below(root, root / "a.mp4")
    (root / "new").write_bytes(b"NEW CONTENT")
    (root / "new").replace(root / "a.mp4")

    assert file.read(0, 11) == b"films/a.mp4"
    file.close()


@pytest.mark.parametrize("content", [b"films", b"films/A.MP4", b"films/a.mp4 and more"])
def test_a_file_that_is_written_to_is_not_read_on(root: Path, content: bytes) -> None:
    file = open_below(root, root / "a.mp4")
    (root / "a.mp4").write_bytes(content)
    os.utime(root / "a.mp4", ns=(1, 1))  # whatever the grain of the file system's clock

    with pytest.raises(FileChanged):
        file.read(0, 11)
    file.close()
    file.close()
    assert file.is_closed
