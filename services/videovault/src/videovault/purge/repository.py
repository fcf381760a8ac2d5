"""The statements on videos that are missing for long."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.rows import AnyRow
from videovault.models import Video, true_path


async def count_missing(db: AsyncSession, age: timedelta) -> int:
    """How many videos are missing for longer."""
    counted = select(func.count()).select_from(Video).where(Video.missing_since <= func.now() - age)
    return int((await db.execute(counted)).scalar_one())


async def list_missing(db: AsyncSession, age: timedelta, *, most: int) -> Sequence[AnyRow]:
    """Those that are missing longest."""
    path = true_path(Video.file_path.expression).label("file_path")
    found = select(Video.id, path, Video.missing_since).where(Video.missing_since <= func.now() - age)
    return (await db.execute(found.order_by(Video.missing_since, Video.id).limit(most))).all()


async def delete_missing(db: AsyncSession, age: timedelta) -> int:
    """Delete them; how many."""
    deleted = delete(Video).where(Video.missing_since <= func.now() - age).returning(Video.id)
    return len((await db.execute(deleted)).all())
