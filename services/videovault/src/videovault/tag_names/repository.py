"""The statements on aliases and parents of tags."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Subquery,
    Text,
    bindparam,
    cast,
    collate,
    delete,
    exists,
    func,
    not_,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import NULLTYPE

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, prepare_page
from videovault.models import Tag as VideoTag
from videovault.models import TagAlias, TagParent, Video, folded, own_id


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A tag as it is spelt and as it is compared."""

    category: str
    name: str
    folded_category: str
    folded_name: str

    @property
    def folded(self) -> tuple[str, str]:
        """What makes two spellings the same tag."""
        return self.folded_category, self.folded_name


_FOLD = text(
    "SELECT t.category, coalesce(a.tag_name, t.name) AS name, t.folded_category,"
    " coalesce(a.folded_name, t.folded_name) AS folded_name"
    " FROM (SELECT t.*, normalize(lower(normalize(t.category, NFKC)), NFKC) AS folded_category,"
    " normalize(lower(normalize(t.name, NFKC)), NFKC) AS folded_name"
    " FROM unnest(CAST(:categories AS text[]), CAST(:names AS text[])) WITH ORDINALITY AS t (category, name, number)) t"
    " LEFT JOIN tag_aliases a ON (a.folded_category, a.folded_alias) = (t.folded_category, t.folded_name)"
    " AND NOT CAST(:exact AS boolean) ORDER BY t.number"
)


async def fold(db: AsyncSession, tags: Sequence[tuple[str, str]], *, exact: bool = False) -> list[Tag]:
    """Tags `(category, name)` with what they are compared by. Aliases are the tags that they stand for, unless `exact`."""
    parameters = {"categories": [tag[0] for tag in tags], "names": [tag[1] for tag in tags], "exact": exact}
    return [Tag(**row._asdict()) for row in await db.execute(_FOLD, parameters)]


# The tags asked for, through aliases of aliases, which devices may make, and all that counts as one of these: what is below,
# and the aliases of all, which a video may have as it had them before.
_MEMBERS = text(
    """
    WITH RECURSIVE asked (number, category, name, step) AS (
        SELECT t.number, normalize(lower(normalize(t.category, NFKC)), NFKC), normalize(lower(normalize(t.name, NFKC)), NFKC), 0
            FROM unnest(CAST(:categories AS text[]), CAST(:names AS text[])) WITH ORDINALITY AS t (category, name, number)
        UNION ALL
        SELECT s.number, a.folded_category, a.folded_name, s.step + 1
            FROM asked s JOIN tag_aliases a ON (a.folded_category, a.folded_alias) = (s.category, s.name)
            WHERE s.step < 10
    ), members (number, category, name) AS (
        SELECT number, category, name FROM (
            SELECT DISTINCT ON (number) number, category, name FROM asked ORDER BY number, step DESC
        ) s
        UNION
        SELECT m.number, e.category, e.name FROM members m CROSS JOIN LATERAL (
            SELECT p.folded_category, p.folded_name FROM tag_parents p
                WHERE (p.folded_parent_category, p.folded_parent_name) = (m.category, m.name)
            UNION ALL
            SELECT a.folded_category, a.folded_alias FROM tag_aliases a
                WHERE (a.folded_category, a.folded_name) = (m.category, m.name)
        ) AS e (category, name)
    )
    SELECT number, category, name FROM members ORDER BY number
    """
)


async def find_members(database: Database, tags: Collection[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """For each tag `(category, name)` the folded tags that count as it: itself, those below it, and their aliases."""
    categories, names = [tag[0] for tag in tags], [tag[1] for tag in tags]
    found: list[list[tuple[str, str]]] = [[] for _ in tags]
    for row in await database.fetch_all(_MEMBERS, {"categories": categories, "names": names}):
        found[row.number - 1].append((row.category, row.name))
    return found


_ANY = text("SELECT EXISTS (SELECT FROM tag_parents) OR EXISTS (SELECT FROM tag_aliases) AS there")


async def has_any(database: Database) -> bool:
    """Whether there is an alias or a parent."""
    row = await database.fetch_one(_ANY)
    return row is not None and bool(row.there)


_REPOINT = text(
    "UPDATE tag_aliases SET tag_name = :name WHERE (folded_category, folded_name) = (:folded_category, :alias)"
)
_PUT_ALIAS = text(
    "INSERT INTO tag_aliases (id, tag_category, alias, tag_name) VALUES (:id, :category, :alias, :name)"
    " ON CONFLICT (folded_category, folded_alias) DO UPDATE SET alias = excluded.alias, tag_name = excluded.tag_name"
    " RETURNING tag_category, alias, tag_name"
)


async def put_alias(db: AsyncSession, alias: Tag, tag: Tag) -> Any:
    """Make one name stand for a tag; what stood for that name stands for the tag, too."""
    repointed = {"name": tag.name, "folded_category": alias.folded_category, "alias": alias.folded_name}
    await db.execute(_REPOINT, repointed)
    parameters = {
        "id": own_id("tag_alias", None, *alias.folded),
        "category": alias.category,
        "alias": alias.name,
        "name": tag.name,
    }
    return (await db.execute(_PUT_ALIAS, parameters)).one()


_PUT_PARENT = text(
    "INSERT INTO tag_parents (id, tag_category, tag_name, parent_category, parent_name)"
    " VALUES (:id, :category, :name, :parent_category, :parent_name)"
    " ON CONFLICT (folded_category, folded_name) DO UPDATE"
    " SET parent_category = excluded.parent_category, parent_name = excluded.parent_name"
    " RETURNING tag_category, tag_name, parent_category, parent_name"
)


async def put_parent(db: AsyncSession, tag: Tag, parent: Tag) -> Any:
    """Put a tag above a tag. Raises IntegrityError of `ck_tag_parents_no_circle`."""
    parameters = {
        "id": own_id("tag_parent", None, *tag.folded),
        "category": tag.category,
        "name": tag.name,
        "parent_category": parent.category,
        "parent_name": parent.name,
    }
    return (await db.execute(_PUT_PARENT, parameters)).one()


async def delete_alias(db: AsyncSession, alias: Tag) -> bool:
    """Delete an alias. False when there is none."""
    named = tuple_(TagAlias.folded_category, TagAlias.folded_alias) == alias.folded
    done = await db.execute(delete(TagAlias).where(named).returning(TagAlias.id))
    return done.one_or_none() is not None


async def delete_parent(db: AsyncSession, tag: Tag) -> bool:
    """Take the tag above a tag away. False when there is none."""
    named = tuple_(TagParent.folded_category, TagParent.folded_name) == tag.folded
    done = await db.execute(delete(TagParent).where(named).returning(TagParent.id))
    return done.one_or_none() is not None


_RENAME = [
    text(f"{statement} RETURNING 1")
    for statement in (
        # The alias of the old name that the new one was, and what would be above itself.
        "DELETE FROM tag_aliases WHERE (folded_category, folded_alias, folded_name) = (:category, :new, :old)",
        "DELETE FROM tag_parents WHERE (folded_category, folded_name, folded_parent_category, folded_parent_name)"
        " IN ((:category, :old, :category, :new), (:category, :new, :category, :old)) AND :old <> :new",
        "DELETE FROM tag_parents o WHERE (o.folded_category, o.folded_name) = (:category, :old) AND :old <> :new"
        " AND EXISTS (SELECT FROM tag_parents n WHERE (n.folded_category, n.folded_name) = (:category, :new))",
        "UPDATE tag_aliases SET tag_name = :name WHERE (folded_category, folded_name) = (:category, :old)",
        "UPDATE tag_parents SET tag_name = :name WHERE (folded_category, folded_name) = (:category, :old)",
        "UPDATE tag_parents SET parent_name = :name"
        " WHERE (folded_parent_category, folded_parent_name) = (:category, :old)",
    )
]


async def rename(db: AsyncSession, old: Tag, new: Tag) -> bool:
    """Let aliases and parents of a tag follow its new name; whether it has any. Raises IntegrityError of `ck_tag_parents_no_circle`."""
    parameters = {
        "category": old.folded_category,
        "old": old.folded_name,
        "new": new.folded_name,
        "name": new.name,
    }
    followed = False
    for statement in _RENAME:
        wanted = {name for name in parameters if f":{name}" in statement.text}
        done = await db.execute(statement, {name: parameters[name] for name in wanted})
        followed |= bool(done.scalars().all())
    return followed


def _listed(
    model: type[TagAlias] | type[TagParent], name: Any, columns: Sequence[str]
) -> Select[*tuple[Any, ...]]:
    keys = (collate(model.folded_category, "C").label("key_0"), collate(name, "C").label("key_1"))
    item = json_item(**{column: getattr(model, column) for column in columns})
    return select(item, *keys).order_by(*keys)


def _after(model: type[TagAlias] | type[TagParent], name: Any) -> Any:
    current = tuple_(collate(model.folded_category, "C"), collate(name, "C"))
    return current > tuple_(bindparam("last_0", type_=Text()), bindparam("last_1", type_=Text()))


_ALIASES = _listed(TagAlias, TagAlias.folded_alias, ("tag_category", "alias", "tag_name"))
_PARENTS = _listed(
    TagParent, TagParent.folded_name, ("tag_category", "tag_name", "parent_category", "parent_name")
)
_PAGES = {
    "aliases": (
        prepare_page(_ALIASES),
        prepare_page(_ALIASES.where(_after(TagAlias, TagAlias.folded_alias))),
    ),
    "parents": (
        prepare_page(_PARENTS),
        prepare_page(_PARENTS.where(_after(TagParent, TagParent.folded_name))),
    ),
}


async def find_page(
    database: Database, kind: str, after: Sequence[Any] | None, *, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `AliasBody` (aliases) or `ParentBody` (parents), by category and name."""
    first, following = _PAGES[kind]
    if after is None:
        return await database.fetch_page(first, limit=limit)
    return await database.fetch_page(following, limit=limit, last_0=after[0], last_1=after[1])


# Each tag that others count as, with these and itself.
_FAMILIES = """
    WITH RECURSIVE edges (category, name, above_category, above_name) AS (
        SELECT folded_category, folded_name, folded_parent_category, folded_parent_name FROM tag_parents
        UNION ALL
        SELECT folded_category, folded_alias, folded_category, folded_name FROM tag_aliases
    ), family (category, name, above_category, above_name) AS (
        SELECT * FROM edges
        UNION
        SELECT f.category, f.name, e.above_category, e.above_name
            FROM family f JOIN edges e ON (e.category, e.name) = (f.above_category, f.above_name)
    )
    SELECT * FROM family UNION SELECT above_category, above_name, above_category, above_name FROM family
"""
_SPELLINGS = """
    SELECT tag_category AS category, tag_name AS name, folded_category, folded_name FROM tag_aliases
    UNION ALL
    SELECT parent_category, parent_name, folded_parent_category, folded_parent_name FROM tag_parents
"""


def count_families(counts: Select[*tuple[Any, ...]], matching: Subquery | None) -> Select[*tuple[Any, ...]]:
    """The counts of tags, where what is below a tag and what stands for it counts as it."""
    columns = {name: Text() for name in ("category", "name", "above_category", "above_name")}
    family = text(_FAMILIES).columns(**columns).cte("family")
    alias = exists().where(
        TagAlias.folded_category == family.c.above_category, TagAlias.folded_alias == family.c.above_name
    )
    of_family = (
        select(
            (-func.count(VideoTag.video_id.distinct())).label("key_0"),
            collate(family.c.above_category, "C").label("key_1"),
            collate(family.c.above_name, "C").label("key_2"),
        )
        .join_from(
            family,
            VideoTag,
            (VideoTag.folded_category == family.c.category) & (VideoTag.folded_name == family.c.name),
        )
        .where(not_(alias))
        .group_by(family.c.above_category, family.c.above_name)
    )
    if matching is not None:
        of_family = of_family.join(matching, matching.c.id == VideoTag.video_id)
    others = counts.subquery("others")
    listed = select(family.c.above_category, family.c.above_name).union_all(
        select(TagAlias.folded_category, TagAlias.folded_alias)
    )
    by_themselves = select(others).where(tuple_(others.c.key_1, others.c.key_2).not_in(listed))
    return select(union_all(by_themselves, of_family).subquery("all_tags"))


def select_given_spelling(category: ColumnElement[str], name: ColumnElement[str]) -> Select[*tuple[Any, ...]]:
    """How a folded tag is spelt where it stands above others, or has another name."""
    columns = {each: Text() for each in ("category", "name", "folded_category", "folded_name")}
    given = text(_SPELLINGS).columns(**columns).subquery("given")
    is_it = (given.c.folded_category == category) & (given.c.folded_name == name)
    return select(given.c.category, given.c.name).where(is_it).limit(1)


def has_tag(categories: str, number: str, video: type[Video]) -> ColumnElement[bool]:
    """That a video has a tag, or one of several; by the parameters `tag_N` or `tags_N`, and `name_N` or `names_N`."""
    if categories.startswith(("tag_", "untag_")):
        category, name = (folded(bindparam(each, type_=Text())) for each in (categories, f"name_{number}"))
        named: ColumnElement[bool] = (VideoTag.folded_category == category) & (VideoTag.folded_name == name)
    else:
        lists = (
            cast(bindparam(each, type_=NULLTYPE), ARRAY(Text())) for each in (categories, f"names_{number}")
        )
        named = tuple_(VideoTag.folded_category, VideoTag.folded_name).in_(select(*map(func.unnest, lists)))
    return exists().where(VideoTag.video_id == video.id, named)
