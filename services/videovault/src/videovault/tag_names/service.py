"""The rules of aliases and parents of tags."""

import contextlib
from collections.abc import Iterator

from fastapi import Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from videovault.changes import repository as changes
from videovault.entities.repository import lock_owner
from videovault.tag_names import repository
from videovault.tag_names.errors import TagCircle, TagNameNotFound
from videovault.tag_names.schemas import AliasBody, NewAlias, NewParent, ParentBody, split_tag
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller


@contextlib.contextmanager
def refusing_circles() -> Iterator[None]:
    """Raises `TagCircle` where the database finds a tag above itself."""
    try:
        yield
    except IntegrityError as error:
        if violated_constraint(error) != "ck_tag_parents_no_circle":
            raise
        raise TagCircle("Take a parent away first.") from None


async def put_alias(db: AsyncSession, body: NewAlias, *, caller: Caller) -> AliasBody:
    """Let a name stand for a tag, or for what that stands for. Raises `TagCircle` when it is its own."""
    await _begin(db, caller)
    (alias,) = await repository.fold(db, [(body.tag_category, body.alias)], exact=True)
    (tag,) = await repository.fold(db, [(body.tag_category, body.tag_name)])
    if alias.folded == tag.folded:
        raise TagCircle("The name would stand for itself.")
    return AliasBody.model_validate(await repository.put_alias(db, alias, tag))


async def delete_alias(db: AsyncSession, named: str, *, caller: Caller) -> None:
    """Raises `TagNameNotFound`."""
    await _begin(db, caller)
    (alias,) = await repository.fold(db, [split_tag(named)], exact=True)
    if not await repository.delete_alias(db, alias):
        raise TagNameNotFound


async def put_parent(db: AsyncSession, body: NewParent, *, caller: Caller) -> ParentBody:
    """Put a tag above a tag, in the place of the one that it has. Raises `TagCircle`."""
    await _begin(db, caller)
    given = [(body.tag_category, body.tag_name), (body.parent_category, body.parent_name)]
    tag, parent = await repository.fold(db, given)
    with refusing_circles():
        return ParentBody.model_validate(await repository.put_parent(db, tag, parent))


async def delete_parent(db: AsyncSession, named: str, *, caller: Caller) -> None:
    """Raises `TagNameNotFound`."""
    await _begin(db, caller)
    (tag,) = await repository.fold(db, [split_tag(named)])
    if not await repository.delete_parent(db, tag):
        raise TagNameNotFound


async def _begin(db: AsyncSession, caller: Caller) -> None:
    await changes.begin(db, changes.By(actor=str(caller.id)))
    await lock_owner(db, None)


async def list_names(
    database: Database, kind: str, *, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A page of aliases or of parents. Raises `InvalidRequest` for a cursor of another list."""
    page = await repository.find_page(database, kind, cursors.decode(kind, cursor), limit=limit)
    return cursors.json_page(page, scope=kind)
