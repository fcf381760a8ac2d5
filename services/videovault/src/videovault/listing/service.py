"""The rules of lists."""

from uuid import UUID

from fastapi import Response

from dbcommon.engine import Database
from videovault.listing import repository
from videovault.listing.filters import Parameters, filter_parameters, named_tags, rank_parameters
from videovault.listing.schemas import COUNTED, RANDOM, Filters, FolderQuery, TagQuery, VideoQuery
from videovault.query.service import find_similar
from videovault.query.words import random_key
from videovault.tag_names.repository import find_members, has_any
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller


async def list_videos(
    database: Database, query: VideoQuery, *, caller: Caller, cursors: CursorCodec
) -> Response:
    """A `VideoPage` of the videos that match `query`. Raises `InvalidRequest` for a cursor of another list."""
    scope = query.scope
    last = cursors.decode(scope, query.cursor)
    order, parameters = await find_order(database, query, caller_id=caller.id)
    *page, total = await repository.find_page(database, order, parameters, last)
    return cursors.json_page(page, scope=scope, more=_counted(total))


def _counted(total: int) -> str:
    if total > COUNTED:
        return f',"total":null,"total_at_least":{COUNTED}'
    return f',"total":{total},"total_at_least":null'


async def find_order(database: Database, query: VideoQuery, *, caller_id: UUID) -> tuple[str, Parameters]:
    """The order as the statement knows it, and the statement's parameters."""
    order = query.order
    parameters = await _find_parameters(database, query, caller_id=caller_id)
    if order.startswith(RANDOM):
        return RANDOM.removesuffix(":"), {
            **parameters,
            "seed": random_key(order.removeprefix(RANDOM).encode()),
        }
    if not order.endswith("relevance"):
        return order, parameters
    ranked = rank_parameters(query.terms)
    # Without a term all ranks are equal.
    return order if ranked else order.replace("relevance", "name"), parameters | ranked


async def _find_parameters(database: Database, query: Filters, *, caller_id: UUID) -> Parameters:
    # Before the statement and not in it: a tag without others below it, as most are, is looked for as if there were none, and
    # the planner sees which tags it is about.
    members = await find_members(database, named_tags(query)) if query.tag else []
    parameters = filter_parameters(query, await find_similar(database, query.terms), members)
    if query.folder is not None:
        parameters |= await _find_bounds(database, query.folder)
    return {**parameters, "limit": query.limit, "caller_id": caller_id}


async def _find_bounds(database: Database, folder: str) -> Parameters:
    """What the paths below a folder lie between; nothing does for a root that is not there."""
    root_id, slash, path = folder.partition("/")
    root_path = await repository.find_root_path(database, UUID(root_id))
    if root_path is None:
        return {"folder_first": "", "folder_end": ""}
    whole = root_path.rstrip("/") + slash + path
    # In ASCII 0 comes after the slash.
    return {"folder_first": f"{whole}/", "folder_end": f"{whole}0"}


async def count_tags(
    database: Database, query: TagQuery, *, caller: Caller, cursors: CursorCodec
) -> Response:
    """A page of the tags of the videos that match `query`, the most used first. Raises `InvalidRequest` for a cursor of
    another list."""
    scope = query.scope
    last = cursors.decode(scope, query.cursor)
    parameters = await _find_parameters(database, query, caller_id=caller.id)
    has_families = await has_any(database)
    page = await repository.count_tags(database, parameters, last, has_families=has_families)
    return cursors.json_page(page, scope=scope)


async def list_folders(database: Database, query: FolderQuery, *, cursors: CursorCodec) -> Response:
    """A page of the folders in one, or of the roots. Raises `InvalidRequest` for a cursor of another list."""
    scope = f"folders {query.parent}"
    last = cursors.decode(scope, query.cursor)
    parameters: Parameters = {"limit": query.limit}
    if query.parent is not None:
        parameters |= {"parent": query.parent, **await _find_bounds(database, query.parent)}
    page = await repository.sum_folders(database, parameters, last)
    return cursors.json_page(page, scope=scope)
