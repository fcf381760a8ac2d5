"""Every statement of provisioning."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Row,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from webcommon.accounts.provisioning.columns import UserColumns
from webcommon.accounts.provisioning.conflicts import Claims, Resolution, possible_usernames


async def own_names(db: AsyncSession, users: UserColumns) -> None:
    """Lock the table of users against other writers until the end of the transaction; reading goes on.

    Needed only when a row loses a name: two transactions that swap names would wait for each other's rows.
    """
    await db.execute(text(f'LOCK TABLE "{users.model.__tablename__}" IN SHARE ROW EXCLUSIVE MODE'))


async def find_conflicts(database: Database, users: UserColumns, claims: Claims) -> Sequence[Row[Any]]:
    """The caller's row, and every row with a name that the caller could get."""
    return await database.fetch_all(_conflicts(users), _parameters(users, claims))


async def lock_conflicts(db: AsyncSession, users: UserColumns, claims: Claims) -> Sequence[Row[Any]]:
    """The same, locked for a change of names."""
    statement = _conflicts(users).order_by(users.id).with_for_update()
    return (await db.execute(statement, _parameters(users, claims))).all()


async def null_stale_names(db: AsyncSession, users: UserColumns, resolution: Resolution) -> None:
    """Remove outdated names from the rows that lose them."""
    for column, loser in (
        (users.email, resolution.email_lost_by),
        (users.username, resolution.username_lost_by),
    ):
        if loser is not None:
            await db.execute(update(users.model).where(users.id == loser).values({column: None}))


async def store_names(db: AsyncSession, users: UserColumns, claims: Claims, resolution: Resolution) -> None:
    """Insert or update the caller's row. A local account, or a row with a newer token's names, stays unchanged."""
    names = {
        users.email.key: resolution.email,
        users.username.key: resolution.username,
        users.token_expires_at.key: claims.expires_at,
    }
    statement = insert(users.model).values({users.id.key: claims.id} | names)
    new = statement.excluded
    is_older = func.coalesce(users.token_expires_at <= new[users.token_expires_at.key], True)
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=[users.id],
            set_={name: new[name] for name in names},
            where=~users.is_local & is_older,
        )
    )


async def insert_new(
    db: AsyncSession, users: UserColumns, rows: Sequence[tuple[Claims, Resolution]]
) -> set[UUID]:
    """Insert rows of new callers; gives the ids of those that no other row was in the way of."""
    # In one order, so that two processes with the same callers wait for each other, and do not deadlock.
    ordered = sorted(rows, key=lambda row: row[0].id)
    keys = [column.key for column in (users.id, users.email, users.username, users.token_expires_at)]
    new = (
        func.unnest(
            literal([claims.id for claims, _ in ordered], ARRAY(Uuid())),
            literal([resolution.email for _, resolution in ordered], ARRAY(Text())),
            literal([resolution.username for _, resolution in ordered], ARRAY(Text())),
            literal([claims.expires_at for claims, _ in ordered], ARRAY(TIMESTAMP(timezone=True))),
        )
        .table_valued(*keys, name="new")
        .render_derived()
    )
    statement = (
        insert(users.model).from_select(keys, select(*new.c)).on_conflict_do_nothing().returning(users.id)
    )
    return set((await db.execute(statement)).scalars())


@cache
def _conflicts(users: UserColumns) -> Select[*tuple[Any, ...]]:
    # Compared as the columns are: without case.
    email = cast(bindparam("email", type_=Text()), users.email.type)
    username = cast(bindparam("username", type_=Text()), users.username.type)
    usernames = cast(bindparam("usernames", type_=ARRAY(Text())), ARRAY(users.username.type))
    return select(
        users.id.label("id"),
        users.email.label("email"),
        users.username.label("username"),
        users.token_expires_at.label("token_expires_at"),
        users.is_local.label("is_local"),
        func.coalesce(users.email == email, False).label("has_email"),
        func.coalesce(users.username == username, False).label("has_username"),
    ).where(
        or_(
            users.id == bindparam("id", type_=Uuid()), users.email == email, users.username == any_(usernames)
        )
    )


def _parameters(users: UserColumns, claims: Claims) -> dict[str, Any]:
    usernames = possible_usernames(claims) if users.username_is_unique else []
    username = usernames[0] if usernames else None
    return {"id": claims.id, "email": claims.email, "username": username, "usernames": usernames}
