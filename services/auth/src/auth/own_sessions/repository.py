"""Every statement of the routes of one's own sessions."""

from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, func, select

from auth.models import Session
from auth.sessions.repository import CALLER_ROLES
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from webcommon.bearer import Caller

_PAGE = prepare_page(
    select(
        json_item(
            id=Session.id,
            created_at=json_timestamp(Session.created_at),
            last_used_at=json_timestamp(func.coalesce(Session.rotated_at, Session.created_at)),
            expires_at=json_timestamp(Session.expires_at),
            ip=func.host(Session.ip),
            user_agent=Session.user_agent,
            method=Session.method,
            current=Session.id == bindparam("session_id"),
        ),
        Session.id,
    )
    .where(
        Session.user_id == bindparam("user_id"),
        Session.id < bindparam("before"),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
    )
    .order_by(Session.id.desc()),
    CALLER_ROLES,
)


async def find_page(database: Database, caller: Caller, *, before: UUID, limit: int) -> "asyncpg.Record":
    """The live sessions of the caller, the newest first, from the one after `before` on: a page of the JSON of
    `SessionAnswer`, and the `CALLER_ROLES`."""
    return await database.fetch_page(
        _PAGE, user_id=caller.id, session_id=caller.session_id, before=before, limit=limit
    )
