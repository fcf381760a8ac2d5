"""Conditions and orders by what is the caller's own: parts of the statements of lists.

Such an order has no index among the videos, but few of these have a value: they are looked up and sorted, and the others follow, or
go before them, by their ids.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    SmallInteger,
    bindparam,
    cast,
    exists,
    extract,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)

from videovault.history.viewings import LISTED_SECONDS
from videovault.models import Mine, Video, WatchHistory

Column = ColumnElement[Any]

_OF_CALLER = WatchHistory.user_id == bindparam("caller_id")
_IS_COMPLETED = or_(WatchHistory.completed, WatchHistory.completed_before)
_IS_STARTED = or_(
    WatchHistory.position_seconds >= literal_column(str(LISTED_SECONDS), Integer()), _IS_COMPLETED
)
_NEVER = literal_column("(-9223372036854775808)", BigInteger())
_UNRATED = literal_column("(-1)", SmallInteger())
_MICROSECONDS = literal_column("1000000", Integer())


def _has_viewing(video: type[Video], condition: Column) -> Column:
    return exists().where(_OF_CALLER, WatchHistory.video_id == video.id, condition)


def _has_mine(video: type[Video], condition: Column) -> Column:
    return exists().where(Mine.user_id == bindparam("caller_id"), Mine.video_id == video.id, condition)


CONDITIONS: dict[str, Callable[[type[Video]], Column]] = {
    "watched_yes": lambda video: _has_viewing(video, _IS_COMPLETED),
    "watched_partial": lambda video: (
        _has_viewing(video, _IS_STARTED) & not_(_has_viewing(video, _IS_COMPLETED))
    ),
    "watched_no": lambda video: not_(_has_viewing(video, _IS_STARTED)),
    "favourite": lambda video: _has_mine(video, Mine.favourite.expression),
    "min_rating": lambda video: _has_mine(
        video, Mine.rating >= bindparam("min_rating", type_=SmallInteger())
    ),
}
"""By the names of their parameters; `caller_id` is one of all."""


def _watched_at(video: type[Video]) -> Column:
    last = select(func.max(WatchHistory.watched_at)).where(
        _OF_CALLER, WatchHistory.video_id == video.id, _IS_STARTED
    )
    microseconds = cast(extract("epoch", last.scalar_subquery()) * _MICROSECONDS, BigInteger)
    return func.coalesce(microseconds, _NEVER, type_=BigInteger())


def _rating(video: type[Video]) -> Column:
    own = select(Mine.rating).where(Mine.user_id == bindparam("caller_id"), Mine.video_id == video.id)
    return func.coalesce(own.scalar_subquery(), _UNRATED, type_=SmallInteger())


KEYS: dict[str, Callable[[type[Video]], Column]] = {"watched_at": _watched_at, "rating": _rating}
"""What these orders are by. A video without a value is below all that have one."""

_VALUED: dict[str, tuple[Callable[[type[Video]], Column], Column]] = {
    "watched_at": (lambda video: _has_viewing(video, _IS_STARTED), _NEVER),
    "rating": (lambda video: _has_mine(video, Mine.rating.is_not(None)), _UNRATED),
}


def select_page(
    order: str,
    names: Collection[str],
    *,
    keys: Sequence[Column],
    conditions: Sequence[Column],
    after: Sequence[Column],
    limit: Column,
) -> Select[Any]:
    """The first in one of these orders. `after`: what says that they come after the last position."""
    has_value, lowest = _VALUED[order.removeprefix("-")]
    is_descending = order.startswith("-")
    valued = select(*keys).where(has_value(Video), *conditions, *after)
    others = select(lowest.label("key_0"), Video.id).where(not_(has_value(Video)), *conditions)
    if "last_0" in names:
        last_key, last_id = bindparam("last_0", type_=lowest.type), bindparam("last_1", type_=Video.id.type)
        if is_descending:
            others = others.where(or_(last_key > lowest, Video.id < last_id))
        else:
            others = others.where(last_key == lowest, Video.id > last_id)
    others = others.order_by(Video.id.desc() if is_descending else Video.id).limit(limit)
    both = union_all(valued, select(others.subquery())).subquery("both")
    ordered = [column.desc() if is_descending else column for column in both.c]
    return select(both).order_by(*ordered).limit(limit)
