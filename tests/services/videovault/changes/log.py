"""Reads the log of changes of a library under test."""

from typing import Any

from sqlalchemy import text

from dbcommon.engine import Database
from tests.services.videovault.library import Library

CHANGES = text("SELECT * FROM changes WHERE entity_id = CAST(:id AS uuid) ORDER BY seq")


async def read_log(library: Library, video_id: object) -> list[dict[str, Any]]:
    """The changes of a video and its tags, oldest first."""
    rows = await library.app.component(Database).fetch_all(CHANGES, {"id": str(video_id)})
    return [row._asdict() for row in rows]
