"""The filter by a folder, and the sums of folders, beside looking at each path."""

from typing import Any
from uuid import uuid4

from tests.services.videovault.library import Library, a_video

PATHS = (
    *(
        "/srv/films/a/1.mp4",
        "/srv/films/a/b/2.mp4",
        "/srv/films/a/b/c/3.mp4",
        "/srv/films/ab/4.mp4",
        "/srv/films/a.mp4",
    ),
    *(
        "/srv/films/Z/5.mp4",
        "/srv/films/\u00e9/6.mp4",
        "/srv/films/a-/7.mp4",
        "/srv/films/%_/8.mp4",
        "/srv/filmsx/9.mp4",
    ),
    *("/srv/talks/a/10.mp4", "elsewhere/11.mp4"),
)


async def fill(library: Library) -> dict[str, str]:
    """Two roots, and videos; gives the ids of the roots by their paths."""
    await library.execute("DELETE FROM roots")
    roots = {"/srv/films": str(uuid4()), "/srv/talks": str(uuid4())}
    for path, root_id in roots.items():
        await library.execute("INSERT INTO roots (id, path) VALUES (:id, :path)", id=root_id, path=path)
    for number, path in enumerate(PATHS, 1):
        await library.post(a_video(file_path=path, file_name=f"{number}", file_size=2**number))
    return roots


def below(folder: str) -> list[int]:
    """The numbers of the videos below a folder."""
    return [number for number, path in enumerate(PATHS, 1) if path.startswith(f"{folder}/")]


async def test_a_folder_holds_what_is_below_it_up_to_the_slash(library: Library) -> None:
    roots = await fill(library)
    for root, root_id in roots.items():
        for path in ("", "/a", "/a/", "/a/b", "/ab", "/%_", "/\u00e9", "/none", "/a/1.mp4"):
            found = await library.names(folder=f"{root_id}{path}", sort="file_size")
            assert found == [str(number) for number in below(root + path.rstrip("/"))], path
    assert await library.names(folder=str(uuid4())) == []
    for wrong in ("films", "/srv/films", ""):
        assert (await library.get("/v1/videos", folder=wrong)).status_code == 422


async def list_all(library: Library, **parameters: Any) -> list[dict[str, Any]]:
    """All folders, two a page."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await library.get("/v1/folders", limit=2, **parameters, **cursor)).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


async def test_folders_are_summed_as_by_looking_at_each_path(library: Library) -> None:
    roots = await fill(library)
    root_id = roots["/srv/films"]
    for parent in ("", "/a", "/a/b", "/a/b/c", "/none"):
        prefix = f"/srv/films{parent}/"
        names = {
            path.removeprefix(prefix).split("/")[0]
            for path in PATHS
            if path.startswith(prefix) and "/" in path.removeprefix(prefix)
        }
        expected = [
            {
                "folder": f"{root_id}{parent}/{name}",
                "name": name,
                "videos": len(below(prefix + name)),
                "size": sum(2**number for number in below(prefix + name)),
            }
            for name in sorted(names)
        ]
        assert await list_all(library, parent=f"{root_id}{parent}") == expected


async def test_without_a_parent_the_roots_are_listed(library: Library) -> None:
    roots = await fill(library)
    empty = str(uuid4())
    await library.execute("INSERT INTO roots (id, path) VALUES (:id, '/mnt')", id=empty)
    expected = [
        {
            "folder": root_id,
            "name": path,
            "videos": len(below(path)),
            "size": sum(2**number for number in below(path)),
        }
        for path, root_id in [("/mnt", empty), *roots.items()]
    ]
    assert await list_all(library) == expected
    await library.execute("DELETE FROM roots")
