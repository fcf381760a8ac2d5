"""The statements that change tags of many videos. The videos are locked before, in the order of their ids."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from videovault.tag_names.repository import Tag
from videovault.videos.schemas import MAX_TAGS

_LOCK = text("SELECT id FROM videos WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE")


async def lock(db: AsyncSession, ids: Collection[UUID]) -> list[UUID]:
    """Those of the videos that there are, locked."""
    return list((await db.execute(_LOCK, {"ids": list(ids)})).scalars())


def _parameters(ids: Iterable[UUID], **tags: Iterable[Tag]) -> dict[str, Any]:
    return {"ids": list(ids)} | {
        name: json.dumps([[tag.folded_category, tag.folded_name, tag.category, tag.name] for tag in given])
        for name, given in tags.items()
    }


def _rows(name: str) -> str:
    return (
        "(SELECT r ->> 0 AS folded_category, r ->> 1 AS folded_name, r ->> 2 AS category, r ->> 3 AS name"  # noqa: S608 - names of this file
        f" FROM jsonb_array_elements(CAST(:{name} AS jsonb)) r)"
    )


_FULL = text(
    f"""
    WITH added AS MATERIALIZED {_rows("added")}, removed AS MATERIALIZED {_rows("removed")}
    SELECT t.video_id FROM tags t
        LEFT JOIN added a ON (a.folded_category, a.folded_name) = (t.folded_category, t.folded_name)
        LEFT JOIN removed r ON (r.folded_category, r.folded_name) = (t.folded_category, t.folded_name)
        WHERE t.video_id = ANY(CAST(:ids AS uuid[]))
        GROUP BY t.video_id
        HAVING count(*) - count(r.name) - count(a.name) + (SELECT count(*) FROM added) > greatest(:most, count(*))
"""  # noqa: S608 - text of this file
)
_REMOVE = text(
    f"""
    DELETE FROM tags t USING {_rows("removed")} r
        WHERE t.video_id = ANY(CAST(:ids AS uuid[]))
        AND (t.folded_category, t.folded_name) = (r.folded_category, r.folded_name)
        RETURNING t.video_id
"""  # noqa: S608 - text of this file
)
_ADD = text(
    f"""
    INSERT INTO tags (id, video_id, tag_category, tag_name)
        SELECT gen_random_uuid(), v.id, a.category, a.name
            FROM unnest(CAST(:ids AS uuid[])) v (id) CROSS JOIN {_rows("added")} a
            WHERE NOT EXISTS (
                SELECT FROM tags t
                    WHERE (t.video_id, t.folded_category, t.folded_name) = (v.id, a.folded_category, a.folded_name)
            )
            ORDER BY v.id
        ON CONFLICT DO NOTHING
        RETURNING video_id
"""  # noqa: S608 - text of this file
)


async def find_full(
    db: AsyncSession, ids: Collection[UUID], *, add: Sequence[Tag], remove: Sequence[Tag]
) -> set[UUID]:
    """Those of the videos that would have more than `MAX_TAGS` tags, and more than they have. No tag is in both lists."""
    parameters = _parameters(ids, added=add, removed=remove)
    return set((await db.execute(_FULL, parameters | {"most": MAX_TAGS})).scalars())


async def change(
    db: AsyncSession, ids: Collection[UUID], *, add: Sequence[Tag], remove: Sequence[Tag]
) -> set[UUID]:
    """Take tags off videos, and put tags on them; returns those that this changed."""
    changed: set[UUID] = set()
    if remove:
        changed |= set((await db.execute(_REMOVE, _parameters(ids, removed=remove))).scalars())
    if add:
        changed |= set((await db.execute(_ADD, _parameters(ids, added=add))).scalars())
    return changed


_IS_OLD = "t.folded_category = :category AND t.folded_name = :old_name"
_LOCK_TAGGED = text(
    "SELECT v.id FROM videos v"  # noqa: S608 - text of this file
    f" WHERE v.id IN (SELECT t.video_id FROM tags t WHERE {_IS_OLD}) ORDER BY v.id FOR NO KEY UPDATE"
)
_MERGE = text(
    f"""
    DELETE FROM tags t WHERE t.video_id = ANY(CAST(:ids AS uuid[])) AND {_IS_OLD}
        AND EXISTS (
            SELECT FROM tags o
                WHERE (o.video_id, o.folded_category, o.folded_name) = (t.video_id, :category, :new_name)
        )
        RETURNING t.video_id
"""  # noqa: S608 - text of this file
)
_RENAME = text(
    f"UPDATE tags t SET tag_name = :name WHERE t.video_id = ANY(CAST(:ids AS uuid[])) AND {_IS_OLD}"  # noqa: S608
    " AND t.tag_name <> :name RETURNING t.video_id"
)


async def lock_tagged(db: AsyncSession, tag: Tag) -> list[UUID]:
    """The videos that have a tag, locked."""
    parameters = {"category": tag.folded_category, "old_name": tag.folded_name}
    return list((await db.execute(_LOCK_TAGGED, parameters)).scalars())


async def rename(db: AsyncSession, ids: Collection[UUID], old: Tag, new: Tag) -> tuple[int, int]:
    """Give a tag of one category another name in these videos; returns how many of them were renamed, and how many had both,
    and keep the new one as it was."""
    parameters = {
        "ids": list(ids),
        "category": old.folded_category,
        "old_name": old.folded_name,
        "new_name": new.folded_name,
    }
    merged: list[UUID] = []
    if old.folded != new.folded:
        merged = list((await db.execute(_MERGE, parameters)).scalars())
    parameters.pop("new_name")
    renamed = (await db.execute(_RENAME, parameters | {"name": new.name})).scalars()
    return len(list(renamed)), len(merged)
