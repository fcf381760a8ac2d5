"""Scans of roots whenever something changes in them."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from watchfiles import Change, awatch

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from videovault.files.media_types import media_type_of
from videovault.files.paths import is_inside
from videovault.media.calls import MediaWorkers
from videovault.roots.errors import NotAFolder
from videovault.roots.repository import find_root
from videovault.scans.here import scan_here
from videovault.scans.schemas import ScanBody
from videovault.settings import Settings

logger = logging.getLogger(__name__)

SETTLE_MS = 1600
"""Changes that follow each other within this are one: a copy makes many."""

LOOK_MS = 1000
"""How often roots that could not be scanned are tried again, without a change."""


async def watch_roots(
    database: Database,
    settings: Settings,
    root_ids: Sequence[UUID],
    *,
    media_workers: MediaWorkers | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[ScanBody]:
    """Scan the roots, and again those in which something changes, until `stop` is set. Raises `NotAFolder` for a path that is
    not UTF-8, of which the operating system's notices cannot be followed."""
    places = await _find_places(database, root_ids)
    there = await asyncio.to_thread(lambda: [path for path in places.values() if os.path.isdir(path)])
    due = set(places)
    # The first turn comes without a change: what changes from then on is noticed, also during a scan.
    async for changes in awatch(
        *there,
        watch_filter=_matters,
        debounce=SETTLE_MS,
        stop_event=stop,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        changed = [os.fsencode(path) for _, path in changes]
        due |= {root_id for root_id, place in places.items() if _is_in_one(changed, os.fsencode(place))}
        for root_id in tuple(due):
            try:
                scan = await scan_here(database, settings, root_id, media_workers=media_workers)
            except DatabaseError as error:
                logger.warning("the scan waits for the database: %s", error)
                continue
            due.discard(root_id)
            yield scan


async def _find_places(database: Database, root_ids: Sequence[UUID]) -> dict[UUID, str]:
    roots = [await find_root(database, root_id) for root_id in root_ids]
    for root in roots:
        if root is not None and root.path_bytes is not None:
            raise NotAFolder(f"{root.path} cannot be watched: it is not UTF-8", pointer="#/path")
    return {root.id: root.path for root in roots if root is not None}


def _is_in_one(paths: Sequence[bytes], folder: bytes) -> bool:
    return any(is_inside(path, folder) for path in paths)


def _matters(_change: Change, path: str) -> bool:
    """Whether a change may be that of a film, or of a folder, whose name most often has no dot."""
    name = os.fsencode(path).rpartition(b"/")[2]
    return media_type_of(name) is not None or b"." not in name
