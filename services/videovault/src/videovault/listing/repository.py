"""The statements of lists: a page is one row, its items as JSON.

What matches is counted up to `COUNTED`, by the index of a filter. If there are no more, all are gathered, and a page of them is
sorted out. If there are more, they are so dense in the index of the order that a walk along it soon has a page; where a stretch of
it has none, since the order depends on what is looked for (large files last long), all are gathered after all. The planner alone
would choose one of the two by what it knows of each column apart.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Label,
    Select,
    Text,
    bindparam,
    case,
    cast,
    collate,
    func,
    literal_column,
    not_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import aliased

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, prepare_page
from videovault.listing.filters import Parameters
from videovault.listing.schemas import COUNTED
from videovault.models import UNKNOWN_DURATION, Root, Tag, Video
from videovault.query.words import WEIGHTS
from videovault.tag_names.repository import count_families, has_tag, select_given_spelling
from videovault.videos.repository import VIDEO_AS_JSON
from videovault.watching import repository as own

_RANDOM_KEY = func.coalesce(Video.random_key, literal_column("0"), type_=BigInteger())
_SEED = bindparam("seed", type_=BigInteger())
_ZERO, _ONE = literal_column("0", Integer()), literal_column("1", Integer())
_LIMIT = bindparam("limit", type_=Integer()) + _ONE


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How many videos are counted, and how many are looked at along the index of an order.

    Where more than `COUNTED` of a million match, half of the stretch is enough, unless the order depends on what is looked for.
    """

    counted: int = COUNTED
    stretch: int = 10_000


_USUAL = Bounds()

Column = ColumnElement[Any]

KEYS: dict[str, Callable[[type[Video]], Column]] = {
    "created_at": lambda video: video.created_at.expression,
    "file_name": lambda video: collate(video.file_name, "C"),
    "name": lambda video: func.coalesce(video.name_key, literal_column("''"), type_=Text()),
    "duration_seconds": lambda video: _duration(video),
    "file_size": lambda video: video.file_size.expression,
    **own.KEYS,
}
"""Each is the first column of an index whose second is the id, but for those that are the caller's own."""


def _duration(video: type[Video]) -> Column:
    return func.coalesce(video.duration_seconds, UNKNOWN_DURATION)


_COMPARISONS: dict[str, tuple[Callable[[Any, Any], Column], Callable[[type[Video]], Any]]] = {
    "mime_type": (operator.eq, lambda video: video.mime_type),
    "min_duration": (operator.ge, _duration),
    "max_duration": (operator.le, _duration),
    "min_size": (operator.ge, lambda video: video.file_size),
    "max_size": (operator.le, lambda video: video.file_size),
    "created_after": (operator.gt, lambda video: video.created_at),
}

_FLAGS: dict[str, Callable[[type[Video]], Column]] = {
    "is_missing": lambda video: video.missing_since.is_not(None),
    "is_there": lambda video: video.missing_since.is_(None),
    **own.CONDITIONS,
}

_OWN_FILTERS = {
    "created_at": ("created_after",),
    "duration_seconds": ("min_duration", "max_duration"),
    "file_size": ("min_size", "max_size"),
}
"""Of an order, the filters that its index answers as well."""

# By the field of the first place where a text is found: nowhere, title, file_name, folders, description.
_WHOLE_WEIGHTS, _PREFIX_WEIGHTS = (
    literal_column(
        f"('{{NULL,{','.join(str(1000 + times * weight) for weight in WEIGHTS)}}}'::int[])", ARRAY(Integer)
    )
    for times in (2, 1)
)


async def find_page(
    database: Database,
    order: str,
    parameters: Parameters,
    last: Sequence[Any] | None,
    *,
    bounds: Bounds = _USUAL,
) -> "asyncpg.Record":
    """A page of the JSON of `VideoBody`, from the video after the position `last` on, and the number of those that match, or
    more than are counted."""
    places = {} if last is None else {f"last_{number}": value for number, value in enumerate(last)}
    # The ring of a random order has two parts; from the second on, the first is behind.
    names = frozenset({*parameters, *places, *(["second"] if order == "random" and last and last[0] else [])})
    statement = _prepare_videos(order, names, bounds)
    return await database.fetch_page(statement, **parameters, **places)


_ROOT_PATH = DriverStatement(select(Root.path).where(Root.id == bindparam("root_id", type_=Root.id.type)))


async def find_root_path(database: Database, root_id: UUID) -> str | None:
    """The path of a root, or None."""
    row = await database.fetch_record(_ROOT_PATH, root_id=root_id)
    return None if row is None else str(row["path"])


async def sum_folders(
    database: Database, parameters: Parameters, last: Sequence[Any] | None
) -> "asyncpg.Record":
    """A page of the JSON of `FolderBody`: the folders in one, or the roots if there is no `parent`, after the position."""
    places = {} if last is None else {"last_0": last[0]}
    statement = _prepare_folders(frozenset({*parameters, *places}))
    return await database.fetch_page(statement, **parameters, **places)


async def count_tags(
    database: Database, parameters: Parameters, last: Sequence[Any] | None, *, has_families: bool
) -> "asyncpg.Record":
    """A page of the JSON of `TagCount`, after the position `last`. `has_families`: whether there are aliases or parents."""
    places = {} if last is None else {f"last_{number}": value for number, value in enumerate(last)}
    statement = _prepare_tags(frozenset({*parameters, *places}), has_families)
    return await database.fetch_page(statement, **parameters, **places)


@lru_cache(maxsize=256)  # bounded, since callers choose the combination
def _prepare_videos(order: str, names: frozenset[str], bounds: Bounds) -> DriverStatement:
    return prepare_page(*select_videos(order, names, bounds))


@lru_cache(maxsize=256)
def _prepare_tags(names: frozenset[str], has_families: bool) -> DriverStatement:
    return prepare_page(select_tags(names, has_families=has_families))


@lru_cache(maxsize=8)
def _prepare_folders(names: frozenset[str]) -> DriverStatement:
    return prepare_page(select_folders(names) if "parent" in names else select_roots(names))


def select_videos(
    order: str, names: Collection[str], bounds: Bounds = _USUAL
) -> tuple[Select[Any], Label[int]]:
    """The rows of a page, and the number of videos that match. `names` are those of the statement's parameters."""
    counted_most, stretch_length = _whole(bounds.counted), _whole(bounds.stretch)
    conditions = list(_conditions(names))
    some = (
        select(literal_column("1"))
        .select_from(Video)
        .where(*conditions)
        .limit(counted_most + _ONE)
        .subquery()
    )
    counted = select(func.count().label("total")).select_from(some).cte("counted")
    total = select(counted.c.total).scalar_subquery()
    keys = _keys_of(order, names, Video)
    if order.removeprefix("-") in own.KEYS:
        many, after = [total > counted_most, *conditions], _after(keys, names, order)
        rest = own.select_page(order, names, keys=keys, conditions=many, after=after, limit=_LIMIT)
        few = _gather([total <= counted_most], names, order)
        page = union_all(few, select(rest.subquery())).subquery("page")
    elif not conditions:
        page = _walk(keys, [], names, order).subquery("page")
    elif order == "random":  # nothing depends on it
        walked = _walk(keys, [total > counted_most, *conditions], names, order)
        page = union_all(_gather([total <= counted_most], names, order), walked).subquery("page")
    elif order.endswith("relevance"):
        page = _gather([], names, order).subquery("page")
    else:
        stretch = _walk_stretch(total > counted_most, names, order, stretch_length).cte("stretch")
        in_stretch = select(func.count()).select_from(stretch).scalar_subquery()
        beyond = select(Video.id).where(*_after(keys, names, order)).order_by(*_ordered(keys, order))
        goes_on = beyond.offset(stretch_length).limit(_ONE).exists()
        is_few = (total <= counted_most) | ((in_stretch < _LIMIT) & goes_on)
        walked = select(stretch).where(not_(is_few))
        page = union_all(_gather([is_few], names, order), walked).subquery("page")
    rows = select(VIDEO_AS_JSON, *page.c).join_from(page, Video, page.c.id == Video.id)
    return rows.order_by(*_ordered(list(page.c), order)), total.label("total")


def _gather(conditions: list[Column], names: Collection[str], order: str) -> Select[Any]:
    """The first of what follows, of all that match."""
    matching = [*conditions, *_conditions(names)]
    # The offset keeps the planner from walking along the index of the order.
    found = select(*_keys_of(order, names, Video)).where(*matching).offset(_ZERO).subquery("found")
    columns: list[Column] = list(found.c)
    return _first(select(found).where(*_after(columns, names, order)), columns, order)


def _whole(number: int) -> Column:
    return literal_column(str(number), Integer())


def _walk_stretch(condition: Column, names: Collection[str], order: str, length: Column) -> Select[Any]:
    """What matches among the next so many videos along the index of the order, until a page is full."""
    own = _OWN_FILTERS.get(order.removeprefix("-"), ())
    keys = _keys_of(order, names, Video)
    following = [*_after(keys, names, order), *_conditions([name for name in names if name in own])]
    next_ones = select(Video, *keys[:-1]).where(*following).order_by(*_ordered(keys, order)).limit(length)
    stretch = next_ones.subquery("next_ones")
    others = _conditions([name for name in names if name not in own], aliased(Video, stretch))
    columns: list[Column] = [stretch.c[str(key.key)] for key in keys]
    return select(*columns).where(condition, *others).order_by(*_ordered(columns, order)).limit(_LIMIT)


def _walk(keys: list[Column], conditions: list[Column], names: Collection[str], order: str) -> Select[Any]:
    """The first of what follows along the index of the order."""
    if order != "random":
        return _first(select(*keys).where(*conditions, *_after(keys, names, order)), keys, order)
    # From the seed on, and then from the beginning of the ring: each is a range of the index.
    ring = keys[1:]
    after = _after(ring, [name for name in names if name != "last_0"], order, begin=1)
    behind = select(*keys).where(*conditions, _RANDOM_KEY < _SEED)
    if "second" in names:
        return _first(behind.where(*after), ring, order)
    ahead = select(*keys).where(*conditions, _RANDOM_KEY >= _SEED, *after)
    both = union_all(_first(ahead, ring, order), _first(behind, ring, order)).subquery()
    return _first(select(both), list(both.c), order)


def _first(rows: Select[Any], columns: list[Column], order: str) -> Select[Any]:
    first = rows.order_by(*_ordered(columns, order)).limit(_LIMIT).subquery()
    return select(first)


def _ordered(columns: list[Column], order: str) -> list[Column]:
    return [column.desc() if order.startswith("-") else column for column in columns]


def _after(columns: list[Column], names: Collection[str], order: str, *, begin: int = 0) -> list[Column]:
    """That a row comes after the last position; no condition on the first page."""
    if f"last_{begin}" not in names:
        return []
    # A comparison of rows, which the index answers; it does not answer "a > x OR (a = x AND id > y)".
    last = [bindparam(f"last_{number}", type_=column.type) for number, column in enumerate(columns, begin)]
    current = tuple_(*columns)
    return [current < tuple_(*last) if order.startswith("-") else current > tuple_(*last)]


def _keys_of(order: str, names: Collection[str], video: type[Video]) -> list[Column]:
    """What an order is by, the id last."""
    name = order.removeprefix("-")
    if name == "random":
        lap = case(
            (_RANDOM_KEY < _SEED, literal_column("1", Integer())), else_=literal_column("0", Integer())
        )
        keys = [lap, _RANDOM_KEY]
    elif name == "relevance":
        keys = [-_rank(names), KEYS["name"](video)]
    else:
        keys = [KEYS[name](video)]
    return [*(key.label(f"key_{number}") for number, key in enumerate(keys)), video.id.expression]


def _rank(names: Collection[str]) -> Column:
    rank: Column = literal_column("0", Integer())
    for number in range(sum(name.startswith("exact_") for name in names)):
        whole, prefix = (
            weights[_field_of(bindparam(f"{kind}_{number}", type_=Text())) + 1]
            for weights, kind in ((_WHOLE_WEIGHTS, "exact"), (_PREFIX_WEIGHTS, "open"))
        )
        rank = rank + func.coalesce(whole, prefix, literal_column("0"), type_=Integer())
    return rank


def _field_of(pattern: Column) -> Column:
    return func.width_bucket(func.strpos(Video.search_text, pattern), Video.search_starts)


def _conditions(names: Collection[str], video: type[Video] = Video) -> Iterable[Column]:
    """The conditions that have these parameters."""
    for name in sorted(names):
        kind, _, number = name.partition("_")
        if name in _COMPARISONS:
            compare, column_of = _COMPARISONS[name]
            column = column_of(video)
            yield compare(column, bindparam(name, type_=column.type))
        elif kind == "folder":
            compare = operator.ge if name == "folder_first" else operator.lt
            yield compare(video.file_path, bindparam(name, type_=Text()))
        elif name in _FLAGS:
            yield _FLAGS[name](video)
        elif kind in {"tag", "untag", "tags", "untags"}:
            condition = has_tag(name, number, video)
            yield not_(condition) if kind.startswith("un") else condition
        elif name == "words":
            query = cast(bindparam(name, type_=Text()), TSQUERY)
            yield func.array_to_tsvector(video.words).op("@@", is_comparison=True)(query)
        elif kind in {"phrase", "excluded"}:
            place = func.strpos(video.search_text, bindparam(name, type_=Text()))
            yield place > _ZERO if kind == "phrase" else place == _ZERO


def select_tags(names: Collection[str], *, has_families: bool = False) -> Select[Any]:
    """The tags of the videos that match, the most used first."""
    category, name = collate(Tag.folded_category, "C"), collate(Tag.folded_name, "C")
    counts: Select[*tuple[Any, ...]] = select(
        (-func.count()).label("key_0"), category.label("key_1"), name.label("key_2")
    ).group_by(Tag.folded_category, Tag.folded_name)
    matching = None
    if conditions := list(_conditions(names)):
        # In the order of ids, in which the index of the tags is.
        matching = select(Video.id).where(*conditions).order_by(Video.id).subquery()
        counts = counts.join(matching, matching.c.id == Tag.video_id)
    if has_families:
        counts = count_families(counts, matching)
    counted = counts.subquery("counted")
    after = _after(list(counted.c), names, "")
    page = select(counted).where(*after).order_by(*counted.c).limit(_LIMIT).subquery("page")
    is_it = (Tag.folded_category == page.c.key_1) & (Tag.folded_name == page.c.key_2)
    used = select(Tag.tag_category, Tag.tag_name).where(is_it).order_by(Tag.video_id).limit(1)
    spelling = used.lateral("spelling")
    spelt: FromClause = page.outerjoin(spelling, literal_column("true"))
    columns: list[Column] = [spelling.c.tag_category, spelling.c.tag_name]
    if has_families:  # a tag that no video has itself is spelt as it was put above others
        given = select_given_spelling(page.c.key_1, page.c.key_2).lateral("given")
        spelt = spelt.outerjoin(given, literal_column("true"))
        columns = [func.coalesce(*each, type_=Text()) for each in zip(columns, given.c, strict=True)]
    item = json_item(tag_category=columns[0], tag_name=columns[1], count=-page.c.key_0)
    return select(item, *page.c).select_from(spelt).order_by(*page.c)


def select_folders(names: Collection[str]) -> Select[*tuple[Any, ...]]:
    """The folders in a folder, by their names, with what is in and below each."""
    first = bindparam("folder_first", type_=Text())
    rest = func.substr(Video.file_path, func.length(first) + _ONE)
    name = collate(func.split_part(rest, literal_column("'/'"), _ONE), "C").label("key_0")
    begin = (
        func.concat(first, bindparam("last_0", type_=Text()), literal_column("'0'"))
        if "last_0" in names
        else first
    )
    summed = (
        select(name, func.count().label("videos"), func.sum(Video.file_size).label("size"))
        .where(Video.file_path >= begin, Video.file_path < bindparam("folder_end", type_=Text()))
        .where(func.strpos(rest, literal_column("'/'")) > _ZERO)
        .group_by(name)
        .subquery("summed")
    )
    folder = func.concat(bindparam("parent", type_=Text()), literal_column("'/'"), summed.c.key_0)
    item = json_item(folder=folder, name=summed.c.key_0, videos=summed.c.videos, size=summed.c.size)
    return select(item, summed.c.key_0).where(*_after([summed.c.key_0], names, "")).order_by(summed.c.key_0)


def select_roots(names: Collection[str]) -> Select[*tuple[Any, ...]]:
    """The roots by their paths, with what is below each."""
    folder = func.rtrim(Root.path, literal_column("'/'"))
    summed = (
        select(
            func.count().label("videos"),
            func.coalesce(func.sum(Video.file_size), _ZERO).label("size"),
        )
        .where(Video.file_path >= func.concat(folder, literal_column("'/'")))
        .where(Video.file_path < func.concat(folder, literal_column("'0'")))
        .lateral("summed")
    )
    path = collate(Root.path, "C").label("key_0")
    item = json_item(folder=cast(Root.id, Text()), name=Root.path, videos=summed.c.videos, size=summed.c.size)
    rows = select(item, path).join_from(Root, summed, literal_column("true"))
    return rows.where(*_after([path], names, "")).order_by(path)
