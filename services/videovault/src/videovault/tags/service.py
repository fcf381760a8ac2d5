"""The rules of changing tags."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from videovault.changes import repository as changes
from videovault.entities.repository import lock_owner
from videovault.errors import VideoNotFound
from videovault.tag_names import repository as names
from videovault.tag_names.repository import Tag
from videovault.tag_names.schemas import split_tag
from videovault.tag_names.service import refusing_circles
from videovault.tags import repository
from videovault.tags.errors import TagNotFound
from videovault.tags.schemas import BulkTagResult, BulkTags, Renaming, RenamingResult
from videovault.videos.repository import read_inserted_video
from videovault.videos.schemas import MAX_TAGS, NewTag, VideoBody
from webcommon.api.problems import InvalidRequest
from webcommon.auth.bearer import Caller


async def add_tags(db: AsyncSession, video_id: UUID, tags: Sequence[NewTag], *, caller: Caller) -> VideoBody:
    """Put tags on a video. Raises `VideoNotFound`, and `InvalidRequest` for a tag too many."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    await _lock(db, video_id)
    add = await _fold(db, map(_pair, tags))
    if await repository.find_full(db, [video_id], add=add, remove=[]):
        raise InvalidRequest(f"A video has at most {MAX_TAGS} tags.", pointer="#/tags")
    await repository.change(db, [video_id], add=add, remove=[])
    return await _read(db, video_id)


async def remove_tags(db: AsyncSession, video_id: UUID, tags: Sequence[str], *, caller: Caller) -> VideoBody:
    """Take tags, each as `category:name`, off a video; what it does not have is passed over. Raises `VideoNotFound`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    await _lock(db, video_id)
    remove = await _fold(db, map(split_tag, tags))
    await repository.change(db, [video_id], add=[], remove=remove)
    return await _read(db, video_id)


async def _lock(db: AsyncSession, video_id: UUID) -> None:
    if not await repository.lock(db, [video_id]):
        raise VideoNotFound


async def _read(db: AsyncSession, video_id: UUID) -> VideoBody:
    return VideoBody.model_validate(await read_inserted_video(db, video_id))


async def _fold(db: AsyncSession, tags: Iterable[tuple[str, str]]) -> list[Tag]:
    found = await names.fold(db, list(tags))
    return list({tag.folded: tag for tag in reversed(found)}.values())[::-1]


def _pair(tag: NewTag) -> tuple[str, str]:
    return tag.tag_category, tag.tag_name


async def change_many(db: AsyncSession, body: BulkTags, *, caller: Caller) -> BulkTagResult:
    """Put tags on videos and take tags off, of each all or none."""
    operation_id = await changes.begin_operation(db, str(caller.id))
    asked = dict.fromkeys(body.video_ids)
    there = await repository.lock(db, asked)
    add = await _fold(db, map(_pair, body.add))
    added = {tag.folded for tag in add}
    remove = [tag for tag in await _fold(db, map(_pair, body.remove)) if tag.folded not in added]
    full = await repository.find_full(db, there, add=add, remove=remove)
    changed = await repository.change(
        db, [video_id for video_id in there if video_id not in full], add=add, remove=remove
    )
    found = set(there)
    return BulkTagResult(
        operation_id=operation_id,
        changed=len(changed),
        not_found=[video_id for video_id in asked if video_id not in found],
        too_many_tags=[video_id for video_id in asked if video_id in full],
    )


async def rename(db: AsyncSession, body: Renaming, *, caller: Caller) -> RenamingResult:
    """Give a tag another name everywhere. Raises `TagNotFound`, and `TagCircle` when a tag would be above itself."""
    operation_id = await changes.begin_operation(db, str(caller.id))
    (old,) = await names.fold(db, [(body.tag_category, body.old_name)], exact=True)
    # What gets the tag after this is as if it came after the renaming.
    ids = await repository.lock_tagged(db, old)
    await lock_owner(db, None)
    (new,) = await names.fold(db, [(body.tag_category, body.new_name)])
    if new.folded == old.folded:  # its own name, or one that stood for it
        (new,) = await names.fold(db, [(body.tag_category, body.new_name)], exact=True)
    with refusing_circles():
        followed = await names.rename(db, old, new)
    if not ids and not followed:
        raise TagNotFound("No video has it, and nothing is below it or stands for it.")
    renamed, merged = await repository.rename(db, ids, old, new)
    return RenamingResult(operation_id=operation_id, renamed=renamed, merged=merged)
