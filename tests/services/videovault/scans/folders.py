"""Folders of small films, and a library that scans them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.services.videovault.library import Library


def write(path: Path | bytes, content: bytes) -> None:
    """A file with this content, and the folders that it needs."""
    where = os.fsencode(path)
    os.makedirs(os.path.dirname(where), exist_ok=True)
    with open(where, "wb") as file:
        file.write(content)


@dataclass(frozen=True)
class Films:
    """A root, which the library scans."""

    library: Library
    folder: Path
    root_id: str

    def write(self, name: str | bytes, content: str | bytes | None = None) -> None:
        """A file; without a content it has one of its own."""
        content = name if content is None else content
        write(os.fsencode(self.folder) + b"/" + os.fsencode(name), os.fsencode(content))

    def rename(self, *pairs: tuple[str, str]) -> None:
        """Rename files all at once: names may change places."""
        for number, (old, _) in enumerate(pairs):
            (self.folder / old).rename(self.folder / f"{number}.renamed")
        for number, (_, new) in enumerate(pairs):
            (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{number}.renamed").rename(self.folder / new)

    async def scan(self, *, all_roots: bool = False, **options: Any) -> dict[str, Any]:
        """Scan the root to the end; the result."""
        scan = await self.scan_to_end(all_roots=all_roots, **options)
        assert scan["status"] == "done", scan
        result: dict[str, Any] = scan["result"]
        return result

    async def scan_to_end(self, *, all_roots: bool = False, **options: Any) -> dict[str, Any]:
        """Scan the root to the end; the scan."""
        body = options if all_roots else {"root_id": self.root_id, **options}
        begun = await self.begin(body)
        assert begun.status_code == 202, begun.text
        return await follow(self.library, begun.json()["id"])

    async def begin(self, body: Mapping[str, Any]) -> httpx.Response:
        """POST /v1/scans."""
        return await self.library.client.post("/v1/scans", json=body, headers=self.library.editor)

    async def videos(self) -> dict[str, dict[str, Any]]:
        """All videos by their paths below the root; others by their whole paths."""
        pages = [page async for page in self.library.pages(limit=100, sort="file_name")]
        found = [video for page in pages for video in page]
        return {video["file_path"].removeprefix(f"{self.folder}/"): video for video in found}

    async def ids(self) -> dict[str, str]:
        """The ids of the videos that are not missing, by their paths."""
        return {
            path: video["id"] for path, video in (await self.videos()).items() if not video["missing_since"]
        }

    async def missing(self) -> dict[str, str]:
        """The ids of the missing ones, by their paths."""
        return {path: video["id"] for path, video in (await self.videos()).items() if video["missing_since"]}


async def follow(library: Library, scan_id: str) -> dict[str, Any]:
    """The scan, once it has ended."""
    path = f"/v1/scans/{scan_id}"
    async with library.client.stream("GET", f"{path}/events", headers=library.reader) as response:
        assert response.status_code == 200
        async for _ in response.aiter_lines():
            pass
    scan: dict[str, Any] = (await library.get(path)).json()
    assert scan["status"] != "running"
    return scan


def counts(result: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a result that are not 0, without those of errors."""
    numbers = {name: value for name, value in result.items() if isinstance(value, int) and value}
    numbers.pop("error_count", None)
    return numbers


async def make_root(library: Library, folder: Path) -> Films:
    """Make the folder a root."""
    os.makedirs(folder, exist_ok=True)
    answer = await library.client.post("/v1/roots", json={"path": str(folder)}, headers=library.editor)
    assert answer.status_code == 201, answer.text
    return Films(library, folder, answer.json()["id"])
