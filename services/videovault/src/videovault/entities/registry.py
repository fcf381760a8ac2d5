"""The entities whose rows are fields alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from videovault.models import (
    Mine,
    Model,
    Playlist,
    PlaylistItem,
    SavedFilter,
    TagAlias,
    TagParent,
    WatchHistory,
)

MOST_SAVED_FILTERS = 500
MOST_PLAYLISTS = 500
MOST_ITEMS = 5000
"""Of a user; items of a playlist."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The table of an entity. `fields` are those that its triggers track. `refers`: fields that name a row of another entity,
    or a video, by its id.

    `fixed`: fields that never change. `defaults`: of fields that a row need not have. `is_own`: the column `user_id` says whose
    a row is; else it is of the library. `most`: rows of a user, or of each value of the field `within`.
    """

    model: type[Model]
    fields: tuple[str, ...]
    refers: Mapping[str, str] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    is_own: bool = True
    most: int | None = None
    within: str | None = None

    @property
    def table(self) -> str:
        """The name of the table."""
        return str(self.model.__tablename__)


ENTITIES: Mapping[str, Rows] = {
    "mine": Rows(
        model=Mine,
        fields=("video_id", "favourite", "rating"),
        refers={"video_id": "video"},
        fixed=frozenset({"video_id"}),
        defaults={"favourite": False, "rating": None},
    ),
    "viewing": Rows(
        model=WatchHistory,
        fields=("video_id", "session_id", "position_seconds", "completed", "completed_before", "watched_at"),
        refers={"video_id": "video"},
        fixed=frozenset({"video_id", "session_id"}),
        defaults={"completed": False, "completed_before": False},
    ),
    "saved_filter": Rows(model=SavedFilter, fields=("name", "query"), most=MOST_SAVED_FILTERS),
    "playlist": Rows(model=Playlist, fields=("name",), most=MOST_PLAYLISTS),
    "playlist_item": Rows(
        model=PlaylistItem,
        fields=("playlist_id", "video_id", "position"),
        refers={"playlist_id": "playlist", "video_id": "video"},
        fixed=frozenset({"playlist_id", "video_id"}),
        most=MOST_ITEMS,
        within="playlist_id",
    ),
    "tag_alias": Rows(model=TagAlias, fields=("tag_category", "alias", "tag_name"), is_own=False),
    "tag_parent": Rows(
        model=TagParent,
        fields=("tag_category", "tag_name", "parent_category", "parent_name"),
        is_own=False,
    ),
}
"""By the names that `changes.entity` has for them; `changes.merge.ROWS` says which of their fields a row cannot be without."""
