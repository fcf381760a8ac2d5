"""The statements of lists: a page is one row, its items as JSON.

What matches is gathered first, up to `COUNTED` videos, whatever the order: by the index of a filter, and so are few. They are
counted, sorted, and a page of them is taken. If there are more, they are so dense in the index of the order that a walk along it
soon has a page. The planner alone would choose one of the two by what it knows of each column apart, and be wrong where they
depend on each other; and the total would have to be counted besides.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Label,
    Select,
    Text,
    bindparam,
    case,
    cast,
    collate,
    exists,
    func,
    literal_column,
    not_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, prepare_page
from videovault.listing.filters import Parameters
from videovault.listing.schemas import COUNTED
from videovault.models import UNKNOWN_DURATION, Tag, Video, folded
from videovault.query.words import WEIGHTS
from videovault.videos.repository import VIDEO_AS_JSON

_DURATION = func.coalesce(Video.duration_seconds, UNKNOWN_DURATION)
_NAME_KEY = func.coalesce(Video.name_key, literal_column("''"), type_=Text())
_RANDOM_KEY = func.coalesce(Video.random_key, literal_column("0"), type_=BigInteger())
_SEED = bindparam("seed", type_=BigInteger())
_LIMIT = bindparam("limit", type_=Integer()) + literal_column("1", Integer())
_COUNTED = literal_column(str(COUNTED), Integer())

Column = ColumnElement[Any]

KEYS: dict[str, Column] = {
    "created_at": Video.created_at.expression,
    "file_name": collate(Video.file_name, "C"),
    "name": _NAME_KEY,
    "duration_seconds": _DURATION,
    "file_size": Video.file_size.expression,
}
"""Each is the first column of an index whose second is the id."""

_COMPARISONS: dict[str, tuple[Callable[[Any, Any], Column], Any]] = {
    "mime_type": (operator.eq, Video.mime_type),
    "min_duration": (operator.ge, _DURATION),
    "max_duration": (operator.le, _DURATION),
    "min_size": (operator.ge, Video.file_size),
    "max_size": (operator.le, Video.file_size),
    "created_after": (operator.gt, Video.created_at),
}

# By the field of the first place where a text is found: nowhere, title, file_name, folders, description.
_WHOLE_WEIGHTS, _PREFIX_WEIGHTS = (
    literal_column(
        f"('{{NULL,{','.join(str(1000 + times * weight) for weight in WEIGHTS)}}}'::int[])", ARRAY(Integer)
    )
    for times in (2, 1)
)


async def find_page(
    database: Database, order: str, parameters: Parameters, last: Sequence[Any] | None
) -> "asyncpg.Record":
    """A page of the JSON of `VideoBody`, from the video after the position `last` on, and the number of those that match, or
    more than `COUNTED`."""
    places = {} if last is None else {f"last_{number}": value for number, value in enumerate(last)}
    # The ring of a random order has two parts; from the second on, the first is behind.
    names = frozenset({*parameters, *places, *(["second"] if order == "random" and last and last[0] else [])})
    statement = _prepare_videos(order, names)
    return await database.fetch_page(statement, **parameters, **places)


async def count_tags(
    database: Database, parameters: Parameters, last: Sequence[Any] | None
) -> "asyncpg.Record":
    """A page of the JSON of `TagCount`, from the tag after the position `last` on."""
    places = {} if last is None else {f"last_{number}": value for number, value in enumerate(last)}
    statement = _prepare_tags(frozenset({*parameters, *places}))
    return await database.fetch_page(statement, **parameters, **places)


# Bounded, since callers choose the combination.
@lru_cache(maxsize=256)
def _prepare_videos(order: str, names: frozenset[str]) -> DriverStatement:
    return prepare_page(*select_videos(order, names))


@lru_cache(maxsize=256)
def _prepare_tags(names: frozenset[str]) -> DriverStatement:
    return prepare_page(select_tags(names))


def select_videos(order: str, names: Collection[str]) -> tuple[Select[Any], Label[int]]:
    """The rows of a page, and the number of videos that match. `names` are those of the statement's parameters."""
    conditions = list(_conditions(names))
    keys = _keys_of(order, names)
    if conditions:
        found = select(*keys).where(*conditions).limit(_COUNTED + 1).cte("found")
        counted = select(func.count().label("total")).select_from(found).cte("counted")
        total = select(counted.c.total).scalar_subquery()
        gathered = select(found).where(total <= _COUNTED, *_after(list(found.c), names, order))
        walked = _walk(keys, [total > _COUNTED, *conditions], names, order)
        page = union_all(_first(gathered, list(found.c), order), walked).subquery("page")
    else:
        some = select(Video.id).limit(_COUNTED + 1).subquery()
        total = select(func.count()).select_from(some).scalar_subquery()
        page = _walk(keys, [], names, order).subquery("page")
    rows = select(VIDEO_AS_JSON, *page.c).join_from(page, Video, page.c.id == Video.id)
    return rows.order_by(*_ordered(list(page.c), order)), total.label("total")


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


def _keys_of(order: str, names: Collection[str]) -> list[Column]:
    """What an order is by, the id last."""
    name = order.removeprefix("-")
    if name == "random":
        lap = case(
            (_RANDOM_KEY < _SEED, literal_column("1", Integer())), else_=literal_column("0", Integer())
        )
        keys = [lap, _RANDOM_KEY]
    elif name == "relevance":
        keys = [-_rank(names), _NAME_KEY]
    else:
        keys = [KEYS[name]]
    return [*(key.label(f"key_{number}") for number, key in enumerate(keys)), Video.id.expression]


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


def _conditions(names: Collection[str]) -> Iterable[Column]:
    """The conditions that have these parameters."""
    for name in sorted(names):
        kind, _, number = name.partition("_")
        if name in _COMPARISONS:
            compare, column = _COMPARISONS[name]
            yield compare(column, bindparam(name, type_=column.type))
        elif name == "is_missing":
            yield Video.missing_since.is_not(None)
        elif name == "is_there":
            yield Video.missing_since.is_(None)
        elif kind in {"tag", "untag"}:
            condition = _has_tag(name, f"name_{number}")
            yield condition if kind == "tag" else not_(condition)
        elif name == "words":
            yield func.array_to_tsvector(Video.words).op("@@")(cast(bindparam(name, type_=Text()), TSQUERY))
        elif kind in {"phrase", "excluded"}:
            place = func.strpos(Video.search_text, bindparam(name, type_=Text()))
            yield place > 0 if kind == "phrase" else place == 0


def _has_tag(category: str, name: str) -> Column:
    return exists().where(
        Tag.video_id == Video.id,
        Tag.folded_category == folded(bindparam(category, type_=Text())),
        Tag.folded_name == folded(bindparam(name, type_=Text())),
    )


def select_tags(names: Collection[str]) -> Select[Any]:
    """The tags of the videos that match, the most used first."""
    category, name = collate(Tag.folded_category, "C"), collate(Tag.folded_name, "C")
    counts = select((-func.count()).label("key_0"), category.label("key_1"), name.label("key_2")).group_by(
        Tag.folded_category, Tag.folded_name
    )
    if conditions := list(_conditions(names)):
        # In the order of ids, in which the index of the tags is.
        matching = select(Video.id).where(*conditions).order_by(Video.id).subquery()
        counts = counts.join(matching, matching.c.id == Tag.video_id)
    counted = counts.subquery("counted")
    after = _after(list(counted.c), names, "")
    page = select(counted).where(*after).order_by(*counted.c).limit(_LIMIT).subquery("page")
    spelling = (
        select(Tag.tag_category, Tag.tag_name)
        .where(Tag.folded_category == page.c.key_1, Tag.folded_name == page.c.key_2)
        .order_by(Tag.video_id)
        .limit(1)
        .lateral("spelling")
    )
    item = json_item(tag_category=spelling.c.tag_category, tag_name=spelling.c.tag_name, count=-page.c.key_0)
    return select(item, *page.c).join_from(page, spelling, literal_column("true")).order_by(*page.c)
