"""Which missing video is which new file."""

from uuid import UUID

import pytest

from videovault.files.pairing import LostVideo, pair

# Missing paths, new paths of the same content, the new path of each missing one, and whether the rest is ambiguous.
CASES: dict[str, tuple[list[str], list[str], dict[str, str], bool]] = {
    "moved": (["/a/x"], ["/b/y"], {"/a/x": "/b/y"}, False),
    "gone": (["/a/x"], [], {}, False),
    "copied twice": ([], ["/b/x", "/c/x"], {}, False),
    "moved and copied": (["/a/x"], ["/b/x", "/b/y"], {"/a/x": "/b/x"}, False),
    "renamed and copied": (["/a/x"], ["/a/y", "/b/z"], {"/a/x": "/a/y"}, False),
    "two copies moved": (["/a/x", "/a/y"], ["/b/x", "/b/y"], {"/a/x": "/b/x", "/a/y": "/b/y"}, False),
    "the tree of two copies moved": (
        ["/o/a/x", "/o/b/x"],
        ["/n/a/x", "/n/b/x"],
        {"/o/a/x": "/n/a/x", "/o/b/x": "/n/b/x"},
        False,
    ),
    "two copies re-cased": (["/A", "/B"], ["/a", "/b"], {"/A": "/a", "/B": "/b"}, False),
    "two copies in another Unicode form": (
        ["/e\u0301", "/o\u0301"],
        ["/\u00e9", "/\u00f3"],
        {"/e\u0301": "/\u00e9", "/o\u0301": "/\u00f3"},
        False,
    ),
    "names come before folders": (
        ["/a/x", "/b/y"],
        ["/a/y", "/b/x"],
        {"/a/x": "/b/x", "/b/y": "/a/y"},
        False,
    ),
    "folders tell names apart": (["/a/1", "/b/2"], ["/a/3", "/b/4"], {"/a/1": "/a/3", "/b/2": "/b/4"}, False),
    "one of two, and no telling which": (["/a/x", "/a/y"], ["/b/z"], {}, True),
    "one in two places, and no telling which": (["/a/x"], ["/b/x", "/c/x"], {}, True),
    "the rest stays as it is": (["/a/x", "/b/y"], ["/c/x", "/d/z"], {"/a/x": "/c/x"}, True),
}


@pytest.mark.parametrize(("missing", "new", "paths", "is_ambiguous"), CASES.values(), ids=CASES)
def test_videos_are_paired(
    missing: list[str], new: list[str], paths: dict[str, str], is_ambiguous: bool
) -> None:
    videos = {path: LostVideo(UUID(int=number), path) for number, path in enumerate(missing)}

    pairing = pair(list(videos.values()), new)

    assert pairing.paths == {videos[path].id: place for path, place in paths.items()}
    assert pairing.missing == [path for path in missing if path not in paths]
    assert sorted(pairing.new) == sorted(set(new) - set(paths.values()))
    assert pairing.is_ambiguous == is_ambiguous
