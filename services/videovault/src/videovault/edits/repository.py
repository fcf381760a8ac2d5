"""The statements on the tags of many videos."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from videovault.videos.schemas import NewTag

_GIVEN = """
    WITH given AS (
        SELECT CAST(r ->> 'video_id' AS uuid) AS video_id, t ->> 'tag_category' AS category, t ->> 'tag_name' AS name,
                normalize(lower(normalize(t ->> 'tag_category', NFKC)), NFKC) AS folded_category,
                normalize(lower(normalize(t ->> 'tag_name', NFKC)), NFKC) AS folded_name,
                row_number() OVER () AS number
            FROM jsonb_array_elements(CAST(:rows AS jsonb)) r, jsonb_array_elements(r -> 'tags') t
    )
"""
_DELETE_TAGS = text(
    f"""{_GIVEN}
    DELETE FROM tags t
        WHERE t.video_id = ANY(CAST(:ids AS uuid[]))
        AND (t.video_id, t.folded_category, t.folded_name) NOT IN (
            SELECT g.video_id, g.folded_category, g.folded_name FROM given g
        )
        RETURNING t.video_id
"""  # noqa: S608 - text of this file
)
_INSERT_TAGS = text(
    f"""{_GIVEN}
    INSERT INTO tags (id, video_id, tag_category, tag_name)
        SELECT gen_random_uuid(), g.video_id, g.category, g.name FROM given g
            WHERE NOT EXISTS (
                SELECT FROM tags t
                    WHERE (t.video_id, t.folded_category, t.folded_name) = (g.video_id, g.folded_category, g.folded_name)
            )
            ORDER BY g.number
        ON CONFLICT DO NOTHING
        RETURNING video_id
"""  # noqa: S608 - text of this file
)


async def set_tags(
    db: AsyncSession, tags: Mapping[UUID, Sequence[NewTag]], *, new: Collection[UUID] = ()
) -> set[UUID]:
    """Give videos these tags and no others; returns the videos that this changed. Those of `new` have none yet."""
    rows = [
        {"video_id": str(video_id), "tags": [tag.model_dump() for tag in given]}
        for video_id, given in tags.items()
    ]
    changed: set[UUID] = set()
    if not rows:
        return changed
    parameters = {"rows": json.dumps(rows)}
    if old := [video_id for video_id in tags if video_id not in new]:
        changed |= set((await db.execute(_DELETE_TAGS, parameters | {"ids": old})).scalars())
    return changed | set((await db.execute(_INSERT_TAGS, parameters)).scalars())


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
