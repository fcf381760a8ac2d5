"""Every statement on the outbox, its cooldowns, and the tokens of links in mails."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
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
    text,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import EmailToken, Mail, MailCooldown, User
from auth.models.mail import MailKind
from dbcommon.engine import Database
from dbcommon.jobs.queue import Queue
from dbcommon.models import new_id
from dbcommon.rows import AnyRow

KEPT = timedelta(days=30)
"""How long the record of a sent or failed mail is kept."""

_QUEUE = Queue(Mail, due_at="next_attempt_at", done_at="sent_at")
_PENDING = _QUEUE.pending


async def insert_mail(
    db: AsyncSession,
    kind: MailKind,
    *,
    recipient: str,
    user_id: UUID | None,
    seed: bytes,
    payload: str | None,
) -> UUID:
    """Add a mail to the outbox; gives its id."""
    mail_id = new_id()
    await db.execute(
        insert(Mail).values(
            id=mail_id, kind=kind, recipient=recipient, user_id=user_id, seed=seed, payload=payload
        )
    )
    return mail_id


async def insert_mail_with_cooldown(
    db: AsyncSession,
    kind: MailKind,
    *,
    recipient: str,
    user_id: UUID | None,
    seed: bytes,
    cooldown_key: bytes,
    interval: timedelta,
    payload: str | None = None,
) -> bool:
    """Add a mail to the outbox unless a cooldown of `interval` runs; whether it was added.

    It is one statement, the same whether or not the address has an account. Concurrent calls are settled by the primary
    key of `mail_cooldowns`.
    """
    cooldown = upsert(MailCooldown).values(key=cooldown_key, started_at=func.now())
    started = (
        cooldown.on_conflict_do_update(
            index_elements=[MailCooldown.key],
            set_={"started_at": func.now()},
            where=MailCooldown.started_at <= func.now() - interval,
        )
        .returning(MailCooldown.key)
        .cte("started")
    )
    values: dict[Any, ColumnElement[Any]] = {
        Mail.id: literal(new_id()),
        Mail.kind: literal(kind),
        Mail.recipient: literal(recipient, Mail.recipient.type),
        Mail.user_id: null() if user_id is None else literal(user_id),
        Mail.seed: literal(seed),
        Mail.payload: literal(payload, Mail.payload.type),
    }
    source = select(*values.values()).select_from(started)
    statement = insert(Mail).from_select(list(values), source, include_defaults=False).returning(Mail.id)
    return (await db.execute(statement)).one_or_none() is not None


async def start_cooldown(db: AsyncSession, cooldown_key: bytes) -> None:
    """Start a cooldown, or start it anew."""
    cooldown = upsert(MailCooldown).values(key=cooldown_key, started_at=func.now())
    await db.execute(
        cooldown.on_conflict_do_update(index_elements=[MailCooldown.key], set_={"started_at": func.now()})
    )


_IS_PENDING = select(exists().where(_PENDING))


async def has_pending(database: Database) -> bool:
    """Whether the outbox has unsent mails, including those that are being sent."""
    row = await database.fetch_one(_IS_PENDING)
    return row is not None and bool(row[0])


_UNSENT = select(
    func.count().label("number"),
    func.coalesce(func.extract("epoch", func.now() - func.min(Mail.created_at)), 0.0).label("oldest"),
).where(_PENDING)


async def measure_pending(database: Database) -> tuple[int, float]:
    """The number of unsent mails, and the age of the oldest in seconds."""
    row = await database.fetch_one(_UNSENT)
    return (0, 0.0) if row is None else (row.number, float(row.oldest))


async def claim_mails(db: AsyncSession, *, most: int, lease: timedelta) -> Sequence[AnyRow]:
    """Claim mails that are due. No other process can claim them until the lease ends."""
    columns = (Mail.kind, Mail.user_id, Mail.recipient, Mail.payload, Mail.seed, Mail.created_at)
    return await _QUEUE.claim(db, *columns, most=most, lease=lease)


async def lock_recipient(db: AsyncSession, mail: AnyRow) -> AnyRow | None:
    """The account that the mail is for, locked. If only an address was given, it is the account with that address.

    `address` is where the mail goes. If the typed address equals the account's own for the database, it is the account's:
    addresses that differ in case may be different mailboxes. A new address stays as it was typed.
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
    """Lock a mail; False when it is not pending any more. The account is locked first, as in every withdrawal of mails."""
    statement = select(Mail.id).where(Mail.id == mail_id, _PENDING).with_for_update()
    return (await db.execute(statement)).one_or_none() is not None


async def is_superseded(db: AsyncSession, mail: AnyRow, *, user_id: UUID) -> bool:
    """Whether a newer mail of this kind was requested, which voids this one's link."""
    same = or_(Mail.user_id == user_id, Mail.recipient == mail.recipient)
    if mail.kind == "change_email":
        same = Mail.user_id == user_id
    newer = or_(
        Mail.created_at > mail.created_at, and_(Mail.created_at == mail.created_at, Mail.id > mail.id)
    )
    statement = select(Mail.id).where(same, Mail.kind == mail.kind, newer, Mail.failed_at.is_(None)).limit(1)
    return (await db.execute(statement)).one_or_none() is not None


async def find_other_holder(db: AsyncSession, email: str, *, user_id: UUID) -> AnyRow | None:
    """Username and spelling of the address of another account that has the address, or has it reserved."""
    present = select(User.username, User.email.label("address")).where(User.email == email)
    previous = (
        select(User.username, EmailToken.email.label("address"))
        .join(EmailToken, EmailToken.user_id == User.id)
        .where(reserves(email))
    )
    others = (statement.where(User.id != user_id) for statement in (present, previous))
    return (await db.execute(union_all(*others).limit(1))).one_or_none()


async def set_user(db: AsyncSession, mail_id: UUID, *, user_id: UUID) -> None:
    """Set the user of a mail that has none, so that it is deleted with the account."""
    await db.execute(update(Mail).where(Mail.id == mail_id, Mail.user_id.is_(None)).values(user_id=user_id))


async def delete_mail(db: AsyncSession, mail_id: UUID) -> None:
    """Delete a mail that is not to be sent."""
    await db.execute(delete(Mail).where(Mail.id == mail_id))


async def mark_sent(db: AsyncSession, mail_id: UUID) -> None:
    """Record that a mail was sent, and delete its seed and payload; an account-deleted mail is deleted whole."""
    await _delete_account_deleted_mail(db, mail_id)
    # Not `_QUEUE.finish`: a mail that was sent after its lease had ended counts as sent too.
    await db.execute(
        update(Mail).where(Mail.id == mail_id, _PENDING).values(sent_at=func.now(), seed=None, payload=None)
    )


async def mark_failed(db: AsyncSession, mail: AnyRow) -> None:
    """Record that a mail will not be tried again, and delete the same as `mark_sent`."""
    await _delete_account_deleted_mail(db, mail.id)
    await _QUEUE.give_up(db, mail, seed=None, payload=None)


async def _delete_account_deleted_mail(db: AsyncSession, mail_id: UUID) -> None:
    await db.execute(delete(Mail).where(Mail.id == mail_id, Mail.kind == "account_deleted"))


async def schedule_retry(db: AsyncSession, mail: AnyRow, *, pause: timedelta) -> None:
    """Make a mail due again after the pause."""
    await _QUEUE.retry(db, mail, pause=pause)


async def sweep(db: AsyncSession, *, interval: timedelta, most: int) -> int:
    """Delete old records of mails, and cooldowns and tokens that have expired, at most `most` rows of each table. Gives the
    largest number of rows that one table lost."""
    over = select(MailCooldown.key).where(MailCooldown.started_at <= func.now() - interval).limit(most)
    old = select(Mail.id).where(~_PENDING, Mail.created_at < func.now() - KEPT).limit(most)
    expired = select(EmailToken.id).where(EmailToken.expires_at < func.now()).limit(most)
    counts = [
        len((await db.execute(statement)).all())
        for statement in (
            delete(MailCooldown).where(MailCooldown.key.in_(over)).returning(MailCooldown.key),
            delete(Mail).where(Mail.id.in_(old)).returning(Mail.id),
            delete(EmailToken).where(EmailToken.id.in_(expired)).returning(EmailToken.id),
        )
    ]
    return max(counts)


async def delete_tokens(db: AsyncSession, user_id: UUID, *, kinds: Sequence[str]) -> None:
    """Void a user's links of these kinds, and withdraw unsent mails with them."""
    await db.execute(delete(EmailToken).where(EmailToken.user_id == user_id, EmailToken.kind.in_(kinds)))
    await db.execute(delete(Mail).where(Mail.user_id == user_id, Mail.kind.in_(kinds), _PENDING))


async def upsert_token(
    db: AsyncSession, mail: AnyRow, *, user: AnyRow, token_hash: str, lifetime: timedelta
) -> bool:
    """Store the token of a mail that is about to be sent to `user.address`, in place of the previous one; its lifetime
    starts now.

    False when this token was used already: the mail had arrived, but that was not recorded.
    """
    values = {
        "kind": mail.kind,
        "user_id": user.id,
        "token_hash": token_hash,
        "email": user.address,
        "expires_at": func.now() + lifetime,
    }
    statement = upsert(EmailToken).values(id=new_id(), created_at=func.now(), **values)
    kept = await db.execute(
        statement.on_conflict_do_update(
            index_elements=[EmailToken.user_id, EmailToken.kind],
            # A literal: a generic plan, which has parameters in its place, would not match the partial index.
            index_where=text("kind <> 'revert_email'"),
            set_={
                "id": statement.excluded.id,
                "token_hash": statement.excluded.token_hash,
                "email": statement.excluded.email,
                "created_at": statement.excluded.created_at,
                "expires_at": statement.excluded.expires_at,
                "used_at": null(),
            },
            where=or_(EmailToken.token_hash != statement.excluded.token_hash, EmailToken.used_at.is_(None)),
        ).returning(EmailToken.id)
    )
    return kept.one_or_none() is not None


async def insert_revert_token(
    db: AsyncSession,
    *,
    user_id: UUID,
    token_hash: str,
    email: str,
    was_verified: bool,
    lifetime: timedelta,
) -> None:
    """Store the token that reverts an e-mail change. The address will be as verified as it was before."""
    await db.execute(
        insert(EmailToken).values(
            id=new_id(),
            kind="revert_email",
            user_id=user_id,
            token_hash=token_hash,
            email=email,
            was_verified=was_verified,
            expires_at=func.now() + lifetime,
        )
    )


async def find_previous_addresses(db: AsyncSession, user_id: UUID, *, address: str) -> Sequence[str]:
    """The addresses other than `address` that the account can revert to."""
    statement = select(EmailToken.email).where(
        EmailToken.user_id == user_id,
        EmailToken.kind == "revert_email",
        EmailToken.email != address,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )
    return (await db.execute(statement.distinct())).scalars().all()


async def find_verified_addresses(db: AsyncSession, user_id: UUID) -> Collection[str]:
    """The verified addresses of an account, previous ones included."""
    present = select(User.email).where(User.id == user_id, User.email_verified)
    previous = select(EmailToken.email).where(
        EmailToken.user_id == user_id, EmailToken.kind == "revert_email", EmailToken.was_verified
    )
    return set((await db.execute(union(present, previous))).scalars())


def reserves(email: str) -> ColumnElement[bool]:
    """Whether a row of `EmailToken` reserves the address for its account. A revert link of an unverified address reserves
    nothing."""
    return and_(
        EmailToken.kind == "revert_email",
        EmailToken.email == email,
        EmailToken.was_verified,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )


def reserved_for(email: str) -> Select[UUID]:
    """The account that the address is reserved for: its previous holder, who can still revert the change."""
    return select(EmailToken.user_id).where(reserves(email))
