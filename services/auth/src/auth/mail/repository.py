"""Every statement on the outbox and on its gate."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.mail.email_tokens import can_be_taken_back
from auth.models import EmailToken, Mail, MailGate, User
from auth.models.mail import MailKind
from dbcommon.engine import Database
from dbcommon.jobs.queue import Queue
from dbcommon.models import new_id
from dbcommon.rows import AnyRow

KEPT = timedelta(days=30)
"""How long the table tells that a mail was sent or given up, and when."""

_QUEUE = Queue(Mail, due_at="next_attempt_at", done_at="sent_at", failed_at="dead_at")
_PENDING = _QUEUE.pending


async def insert_mail(
    db: AsyncSession,
    kind: MailKind,
    *,
    recipient: str,
    user_id: UUID | None,
    seed: bytes,
    detail: str | None,
) -> UUID:
    """Put a mail into the outbox; gives its id."""
    mail_id = new_id()
    await db.execute(
        insert(Mail).values(
            id=mail_id, kind=kind, recipient=recipient, user_id=user_id, seed=seed, detail=detail
        )
    )
    return mail_id


async def insert_mail_through_gate(
    db: AsyncSession,
    kind: MailKind,
    *,
    recipient: str,
    user_id: UUID | None,
    seed: bytes,
    gate_key: bytes,
    interval: timedelta,
    detail: str | None = None,
) -> bool:
    """Put a mail into the outbox unless the gate let one through within `interval`; whether it did. One statement,
    settled by the gate's primary key, and the same one whether or not the address has an account."""
    gate = upsert(MailGate).values(key=gate_key, at=func.now())
    passed = (
        gate.on_conflict_do_update(
            index_elements=[MailGate.key],
            set_={"at": func.now()},
            where=MailGate.at <= func.now() - interval,
        )
        .returning(MailGate.key)
        .cte("passed")
    )
    values: dict[Any, ColumnElement[Any]] = {
        Mail.id: literal(new_id()),
        Mail.kind: literal(kind),
        Mail.recipient: literal(recipient, Mail.recipient.type),
        Mail.user_id: null() if user_id is None else literal(user_id),
        Mail.seed: literal(seed),
        Mail.detail: literal(detail, Mail.detail.type),
    }
    source = select(*values.values()).select_from(passed)
    statement = insert(Mail).from_select(list(values), source, include_defaults=False).returning(Mail.id)
    return (await db.execute(statement)).one_or_none() is not None


async def close_gate(db: AsyncSession, gate_key: bytes) -> None:
    """Let no other mail through for the next interval."""
    gate = upsert(MailGate).values(key=gate_key, at=func.now())
    await db.execute(gate.on_conflict_do_update(index_elements=[MailGate.key], set_={"at": func.now()}))


_IS_PENDING = select(exists().where(_PENDING))


async def has_pending(database: Database) -> bool:
    """Whether a mail is still to be sent, one that is being sent included."""
    row = await database.fetch_one(_IS_PENDING)
    return row is not None and bool(row[0])


async def claim_mails(db: AsyncSession, *, most: int, lease: timedelta) -> Sequence[AnyRow]:
    """Take mails that are due. For the length of the lease no other process sees them; should this one die, they are due
    again after it."""
    columns = (Mail.kind, Mail.user_id, Mail.recipient, Mail.detail, Mail.seed, Mail.created_at)
    return await _QUEUE.claim(db, *columns, most=most, lease=lease)


async def lock_recipient(db: AsyncSession, mail: AnyRow) -> AnyRow | None:
    """The account that the mail is for, locked; of a mail that was asked for by address alone, the one that has it.

    `address` is where the mail goes: to the account's own address if that is the one that was typed, since what equals
    it for the database need not be the same mailbox; a new address is as its owner wants it.
    """
    whose = User.email == mail.recipient if mail.user_id is None else User.id == mail.user_id
    own = and_(User.email == mail.recipient, mail.kind != "change_email")
    statement = select(
        User.id,
        User.username,
        User.email_verified,
        User.disabled_at,
        case((own, User.email), else_=literal(mail.recipient, User.email.type)).label("address"),
    ).where(whose)
    return (await db.execute(statement.with_for_update(key_share=True))).one_or_none()


async def lock_mail(db: AsyncSession, mail_id: UUID) -> bool:
    """Whether a mail still waits, locked. To be called after the account was, as by whoever takes mails back."""
    statement = select(Mail.id).where(Mail.id == mail_id, _PENDING).with_for_update()
    return (await db.execute(statement)).one_or_none() is not None


async def is_superseded(db: AsyncSession, mail: AnyRow, *, user_id: UUID) -> bool:
    """Whether a newer mail of this kind was asked for, which makes this one's link void."""
    same = or_(Mail.user_id == user_id, Mail.recipient == mail.recipient)
    if mail.kind == "change_email":
        same = Mail.user_id == user_id
    newer = or_(
        Mail.created_at > mail.created_at, and_(Mail.created_at == mail.created_at, Mail.id > mail.id)
    )
    statement = select(Mail.id).where(same, Mail.kind == mail.kind, newer, Mail.dead_at.is_(None)).limit(1)
    return (await db.execute(statement)).one_or_none() is not None


async def find_other_holder(db: AsyncSession, email: str, *, user_id: UUID) -> AnyRow | None:
    """Username of another account that has the address, or can take it back, and the address as it is spelt there."""
    has_it = select(User.username, User.email.label("address")).where(User.email == email)
    had_it = (
        select(User.username, EmailToken.email.label("address"))
        .join(EmailToken, EmailToken.user_id == User.id)
        .where(can_be_taken_back(email))
    )
    others = (statement.where(User.id != user_id) for statement in (has_it, had_it))
    return (await db.execute(union_all(*others).limit(1))).one_or_none()


async def note_owner(db: AsyncSession, mail_id: UUID, *, user_id: UUID) -> None:
    """Whose mail it turned out to be, so that it goes with the account."""
    await db.execute(update(Mail).where(Mail.id == mail_id, Mail.user_id.is_(None)).values(user_id=user_id))


async def drop_mail(db: AsyncSession, mail_id: UUID) -> None:
    """Forget a mail that nobody is to get."""
    await db.execute(delete(Mail).where(Mail.id == mail_id))


async def note_sent(db: AsyncSession, mail_id: UUID) -> None:
    """Sent: what could make its link again goes, and all of it when its reader has no account any more."""
    await _drop_farewell(db, mail_id)
    # Whoever sent it, also when the lease was over: that settles it for the others too.
    await db.execute(
        update(Mail).where(Mail.id == mail_id, _PENDING).values(sent_at=func.now(), seed=None, detail=None)
    )


async def note_given_up(db: AsyncSession, mail: AnyRow) -> None:
    """Never to be sent: what could make its link goes, and all of it when its reader has no account any more."""
    await _drop_farewell(db, mail.id)
    await _QUEUE.give_up(db, mail, seed=None, detail=None)


async def _drop_farewell(db: AsyncSession, mail_id: UUID) -> None:
    await db.execute(delete(Mail).where(Mail.id == mail_id, Mail.kind == "account_deleted"))


async def note_failure(db: AsyncSession, mail: AnyRow, *, pause: timedelta) -> None:
    """Not sent this time: due again after the pause."""
    await _QUEUE.retry(db, mail, pause=pause)


async def sweep(db: AsyncSession, *, interval: timedelta, most: int) -> int:
    """Delete what is over, at most so many rows a table: gates that are open again, mails long sent, tokens long expired.
    Gives the largest number of rows that one table lost."""
    gates = delete(MailGate).where(
        MailGate.key.in_(select(MailGate.key).where(MailGate.at <= func.now() - interval).limit(most))
    )
    old = select(Mail.id).where(~_PENDING, Mail.created_at < func.now() - KEPT).limit(most)
    expired = select(EmailToken.id).where(EmailToken.expires_at < func.now()).limit(most)
    counts = [
        len((await db.execute(statement)).all())
        for statement in (
            gates.returning(MailGate.key),
            delete(Mail).where(Mail.id.in_(old)).returning(Mail.id),
            delete(EmailToken).where(EmailToken.id.in_(expired)).returning(EmailToken.id),
        )
    ]
    return max(counts)


async def delete_tokens(db: AsyncSession, user_id: UUID, *, kinds: Sequence[str]) -> None:
    """Void a user's links of these kinds, and take back mails with them that are not sent yet."""
    await db.execute(delete(EmailToken).where(EmailToken.user_id == user_id, EmailToken.kind.in_(kinds)))
    await db.execute(delete(Mail).where(Mail.user_id == user_id, Mail.kind.in_(kinds), _PENDING))
