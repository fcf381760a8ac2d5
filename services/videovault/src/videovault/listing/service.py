"""The rules of lists."""

from fastapi import Response

from dbcommon.engine import Database
from videovault.listing import repository
from videovault.listing.filters import filter_parameters, rank_parameters
from videovault.listing.schemas import COUNTED, RANDOM, TagQuery, VideoQuery
from videovault.query.service import find_similar
from videovault.query.words import random_key
from webcommon.api.paging import CursorCodec


async def list_videos(database: Database, query: VideoQuery, *, cursors: CursorCodec) -> Response:
    """A `VideoPage` of the videos that match `query`. Raises `InvalidRequest` for a cursor of another list."""
    scope, order = query.scope, query.order
    last = cursors.decode(scope, query.cursor)
    parameters = filter_parameters(query, await find_similar(database, query.terms))
    if order.startswith(RANDOM):
        parameters["seed"] = random_key(order.removeprefix(RANDOM).encode())
        order = RANDOM.removesuffix(":")
    elif order.endswith("relevance"):
        ranked = rank_parameters(query.terms)
        parameters |= ranked
        if not ranked:  # all ranks are equal
            order = order.replace("relevance", "name")
    *page, total = await repository.find_page(database, order, {**parameters, "limit": query.limit}, last)
    return cursors.json_page(page, scope=scope, more=_counted(total))


def _counted(total: int) -> str:
    if total > COUNTED:
        return f',"total":null,"total_at_least":{COUNTED}'
    return f',"total":{total},"total_at_least":null'


async def count_tags(database: Database, query: TagQuery, *, cursors: CursorCodec) -> Response:
    """A page of the tags of the videos that match `query`, the most used first. Raises `InvalidRequest` for a cursor of
    another list."""
    scope = query.scope
    last = cursors.decode(scope, query.cursor)
    parameters = filter_parameters(query, await find_similar(database, query.terms))
    page = await repository.count_tags(database, {**parameters, "limit": query.limit}, last)
    return cursors.json_page(page, scope=scope)
