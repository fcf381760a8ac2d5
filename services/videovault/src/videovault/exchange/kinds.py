"""What a library consists of, as an export has it."""

from dataclasses import dataclass

from videovault.entities.registry import ENTITIES
from videovault.models import DeletedRow, Model, RemovedTag, Tag, Tombstone, Video

DERIVED = frozenset({"words", "search_text", "search_starts", "name_key", "random_key", "indexed_at"})
"""Columns of a video that are made of others."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The rows of a table. Of those with a `user_id`, if it `is_own`, a user exports the own ones."""

    name: str
    model: type[Model]
    is_own: bool = False

    @property
    def table(self) -> str:
        """The name of the table."""
        return str(self.model.__tablename__)

    @property
    def key(self) -> list[str]:
        """The columns of the primary key."""
        return [column.name for column in self.model.__table__.primary_key]

    @property
    def columns(self) -> list[str]:
        """The columns that are exported."""
        found = [column.name for column in self.model.__table__.columns if column.computed is None]
        return [name for name in found if self.model is not Video or name not in DERIVED]


KINDS = (
    Kind(name="video", model=Video),
    Kind(name="tag", model=Tag),
    *(Kind(name=name, model=rows.model, is_own=rows.is_own) for name, rows in ENTITIES.items()),
    Kind(name="removed_row", model=DeletedRow, is_own=True),
    Kind(name="removed_tag", model=RemovedTag),
    Kind(name="tombstone", model=Tombstone),
)
"""In the order in which an import stores them. One more table is one more entry, here or in `ENTITIES`."""
