"""The rules of deleting missing videos."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from videovault.changes import repository as changes
from videovault.purge import repository
from videovault.purge.schemas import MOST_LISTED, MissingVideo, Purge, PurgeRequest
from webcommon.auth.bearer import Caller


async def purge_missing(db: AsyncSession, request: PurgeRequest, *, caller: Caller) -> Purge:
    """Delete the videos that are missing for long, or say which these are."""
    age = timedelta(days=request.older_than_days)
    videos = await repository.list_missing(db, age, most=MOST_LISTED)
    operation_id = None
    if request.dry_run or not videos:
        count = await repository.count_missing(db, age)
    else:
        operation_id = await changes.begin_operation(db, str(caller.id))
        count = await repository.delete_missing(db, age)
    return Purge(
        dry_run=request.dry_run,
        count=count,
        videos=[MissingVideo.model_validate(video) for video in videos],
        operation_id=operation_id,
    )
