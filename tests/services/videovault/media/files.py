"""Calls of workers on the tests' files."""

import os
from pathlib import Path
from typing import Any

from videovault.media.calls import MediaFile, MediaWorkers


def media_file(path: Path) -> MediaFile:
    """A file whose folder is the root."""
    root = os.fsencode(path.parent)
    return MediaFile(path=os.fsencode(path), root=root, allowed=[root])


async def probe(workers: MediaWorkers, path: Path) -> dict[str, Any]:
    """What the file holds."""
    found: dict[str, Any] = (await workers.run("probe", media_file(path))).result
    return found
