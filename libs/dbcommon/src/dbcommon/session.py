"""Dependencies of routes: a session in the request's one transaction, or the database."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database


async def get_database(connection: HTTPConnection) -> Database:
    """The application's database, set by the app factory."""
    database: Database = connection.app.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]
"""For reads of one statement (`fetch_one`, `fetch_all`) and for work that needs several short transactions."""


async def get_session(database: DatabaseDep) -> AsyncIterator[AsyncSession]:
    """The session of the request's transaction."""
    async with database.transaction() as db:
        yield db


# scope="function": the commit precedes the response, so that a failed commit is never answered with 200.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
"""The request's transaction, committed before the response is sent and rolled back by any exception."""
