"""Other names of tags, and the tags above them. They are of names, and stay while no video has one."""

from sqlalchemy import CheckConstraint, Computed, Index, UniqueConstraint, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from videovault.models.base import Model, RowColumns
from videovault.models.videos import folded


def _computed(column: str) -> Mapped[str]:
    return mapped_column(Computed(folded(literal_column(column)), persisted=True))


class TagAlias(RowColumns, Model):
    """A name of a category that stands for a tag of it."""

    __tablename__ = "tag_aliases"

    tag_category: Mapped[str]
    alias: Mapped[str]
    tag_name: Mapped[str]
    folded_category: Mapped[str] = _computed("tag_category")
    folded_alias: Mapped[str] = _computed("alias")
    folded_name: Mapped[str] = _computed("tag_name")

    __table_args__ = (
        UniqueConstraint("folded_category", "folded_alias"),
        CheckConstraint("folded_alias <> folded_name", name="alias_is_another_name"),
        Index("ix_tag_aliases_folded_category_folded_name", "folded_category", "folded_name"),
    )


class TagParent(RowColumns, Model):
    """The tag above a tag. A trigger sees that none is above itself."""

    __tablename__ = "tag_parents"

    tag_category: Mapped[str]
    tag_name: Mapped[str]
    parent_category: Mapped[str]
    parent_name: Mapped[str]
    folded_category: Mapped[str] = _computed("tag_category")
    folded_name: Mapped[str] = _computed("tag_name")
    folded_parent_category: Mapped[str] = _computed("parent_category")
    folded_parent_name: Mapped[str] = _computed("parent_name")

    __table_args__ = (
        UniqueConstraint("folded_category", "folded_name"),
        Index(
            "ix_tag_parents_folded_parent_category_folded_parent_name",
            "folded_parent_category",
            "folded_parent_name",
        ),
    )
