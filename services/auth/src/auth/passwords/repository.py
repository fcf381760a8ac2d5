"""Every statement on passwords of signed-in users."""

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import User
from dbcommon.engine import Database
from dbcommon.rows import AnyRow


async def find_account(database: Database, user_id: UUID) -> AnyRow | None:
    """Names and password hash of an account."""
    statement = select(User.id, User.email, User.username, User.password_hash).where(User.id == user_id)
    return await database.fetch_one(statement)


async def replace_hash(db: AsyncSession, user_id: UUID, *, old: str, new: str) -> bool:
    """Replace the password hash; False when it is not `old` any more."""
    statement = (
        update(User)
        .where(User.id == user_id, User.password_hash == old)
        .values(password_hash=new)
        .returning(User.id)
    )
    return (await db.execute(statement)).one_or_none() is not None
