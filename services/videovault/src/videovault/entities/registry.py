"""The entities whose rows are fields alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from videovault.models import Mine, Model, WatchHistory


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The table of an entity. `fields` are those that its triggers track. `refers`: fields that name a row of another entity,
    or a video, by its id.

    `fixed`: fields that never change. `defaults`: of fields that a row need not have. `is_own`: the column `user_id` says whose
    a row is; else it is of the library.
    """

    model: type[Model]
    fields: tuple[str, ...]
    refers: Mapping[str, str] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    is_own: bool = True

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
}
"""By the names that `changes.entity` has for them; `changes.merge.ROWS` says which of their fields a row cannot be without."""
