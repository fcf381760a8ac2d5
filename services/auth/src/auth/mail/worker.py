"""The worker that empties the outbox. Each process has one; a mail is claimed by one of them at a time.

A mail is claimed, sent, and noted as sent, in short transactions with nothing held while the mail server is waited for.
A process that dies in between leaves the mail to another one once its lease is over. If that happens after the server
took the mail and before it was noted, it is sent again, with the same Message-ID and the same link.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from auth.mail import email_tokens, repository
from auth.mail.delivery import CannotDeliver, Delivery, Letter
from auth.mail.link_tokens import LinkTokenCodec, hash_link_token
from auth.mail.messages import Message, write_message
from auth.models.mail import MailKind
from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_in_transactions
from dbcommon.jobs.periodic import run_every
from dbcommon.jobs.queue import retry_after
from dbcommon.rows import AnyRow
from dbcommon.schedule import Schedule
from dbcommon.shared_call import SharedCall

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often the outbox is looked at."""

LONGEST_PAUSE_SECONDS = 300.0
"""Between two tries; the first pause is a setting, and each is twice the one before."""

GIVE_UP_AFTER = timedelta(hours=24)
"""A mail that could not be sent for so long is not sent any more."""

VERIFY_LIFETIME = timedelta(hours=24)
RESET_LIFETIME = timedelta(hours=1)
CHANGE_LIFETIME = timedelta(hours=24)
"""Of links, from the moment that the mail is handed over: a mail server that was away takes nothing from them."""

SWEEP_SECONDS = 60.0

SETTLE_SECONDS = 2.0
"""How long a look into the development folder waits for mails that are being written."""

_SETTLE_PAUSE_SECONDS = 0.05

STOP_SECONDS = 5.0
"""At the end, mails that are being sent get so long."""

_LEASE_MARGIN_SECONDS = 30.0
_AT_ONCE = 4
_SWEPT_AT_ONCE = 1000

_LIFETIMES = {"verify": VERIFY_LIFETIME, "reset": RESET_LIFETIME, "change_email": CHANGE_LIFETIME}

LINK_PATHS = {
    "verify": "/email/verify",
    "reset": "/password/reset",
    "change_email": "/email/change",
    "undo_email": "/email/undo",
}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How patient the worker is, in seconds; `interval` is the gate's, for its sweeping."""

    retry_seconds: float
    delivery_seconds: float
    interval: timedelta

    @property
    def lease(self) -> timedelta:
        """Longer than a delivery can take, so that no other process sends the mail meanwhile."""
        return timedelta(seconds=self.delivery_seconds + _LEASE_MARGIN_SECONDS)

    def pause(self, attempts: int) -> timedelta:
        """How long to wait after so many tries."""
        first, longest = timedelta(seconds=self.retry_seconds), timedelta(seconds=LONGEST_PAUSE_SECONDS)
        return retry_after(attempts, first=first, longest=longest)


class MailWorker:
    """Sends what is in the outbox. `web_url` is where links lead."""

    def __init__(
        self, database: Database, *, delivery: Delivery, codec: LinkTokenCodec, web_url: str, pace: Pace
    ) -> None:
        self.delivery = delivery
        self._database = database
        self._codec = codec
        self._web_url = web_url.rstrip("/")
        self._pace = pace
        self._delivery_of_due = SharedCall(self._deliver_due)
        self._settling = SharedCall(self._settle)
        self._stopping = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block runs. A mail that is being sent at its end is noted as such, if it is quick."""
        schedule = Schedule(seconds=min(POLL_SECONDS, self._pace.retry_seconds), at_once=True)
        # A `DBAPIError` is known already: /readyz says that migrations are pending.
        async with (
            run_every(Schedule(seconds=SWEEP_SECONDS), self.sweep, name="the sweep of mails"),
            run_every(
                schedule,
                self.deliver_due,
                name="the sending of mails",
                expected=(DBAPIError,),
                stop_seconds=STOP_SECONDS,
            ),
        ):
            try:
                yield
            finally:
                self._stopping.set()
        await self._settling.close()
        await self._delivery_of_due.close()

    async def deliver_due(self) -> None:
        """Send what is due, a few at once; all who ask at the same time wait for one run."""
        await self._delivery_of_due.ask()

    async def _deliver_due(self) -> None:
        while mails := await self._claim():
            await asyncio.gather(*(self._deliver(mail) for mail in mails))

    async def settle(self) -> None:
        """Send until the outbox is empty, one that failed and waits for its next try included, or `SETTLE_SECONDS` are over."""
        if self._settling.is_running:
            # It may have looked into the outbox before the caller's mail was there.
            await self._settling.ask()
        await self._settling.ask()

    async def _settle(self) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        await self.deliver_due()
        while await repository.has_pending(self._database) and time.monotonic() < deadline:
            await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
            await self.deliver_due()

    async def _claim(self) -> Sequence[AnyRow]:
        if self._stopping.is_set():
            return ()
        async with self._database.transaction() as db:
            return await repository.claim_mails(db, most=_AT_ONCE, lease=self._pace.lease)

    async def _deliver(self, mail: AnyRow) -> None:
        letter = await self._prepare(mail)
        if letter is None:
            return
        try:
            await self.delivery.deliver(letter)
        except CannotDeliver as error:
            await self._note_failure(mail, error)
        except Exception as error:
            logger.exception("mail %s (%s) could not be sent", mail.id, mail.kind)
            await self._note_failure(mail, CannotDeliver(type(error).__name__))
        else:
            async with self._database.transaction() as db:
                await repository.note_sent(db, mail.id)

    async def _prepare(self, mail: AnyRow) -> Letter | None:
        """What to send; None when the mail was taken back, there is nobody to send it to, or a newer one is under way."""
        if mail.kind == "account_deleted":
            message = write_message(mail.kind, username=mail.detail, detail=None, link=None)
            return _address(mail, message, to=mail.recipient)
        async with self._database.transaction() as db:
            user = await repository.lock_recipient(db, mail)
            # Whoever had the account until now may have voided the links in its mails.
            if not await repository.lock_mail(db, mail.id):
                return None
            if user is None or not _wants(mail.kind, user):
                await repository.drop_mail(db, mail.id)
                return None
            await repository.note_owner(db, mail.id, user_id=user.id)
            if mail.kind == "change_email":
                holder = await repository.find_other_holder(db, mail.recipient, user_id=user.id)
                if holder is not None:
                    taken = write_message("email_taken", username=holder.username, detail=None, link=None)
                    return _address(mail, taken, to=holder.address)
            token = self._codec.issue(mail.id, seed=mail.seed)
            if mail.kind in _LIFETIMES and not await self._arm(db, mail, user=user, token=token):
                await repository.drop_mail(db, mail.id)
                return None
        link = self._link(mail.kind, token=token)
        message = write_message(mail.kind, username=user.username, detail=mail.detail, link=link)
        return _address(mail, message, to=user.address)

    async def _arm(self, db: AsyncSession, mail: AnyRow, *, user: AnyRow, token: str) -> bool:
        """Make the link work from now on; False when it is not to be sent."""
        if await repository.is_superseded(db, mail, user_id=user.id):
            return False
        return await email_tokens.upsert_token(
            db,
            mail,
            user=user,
            token_hash=hash_link_token(token),
            lifetime=_LIFETIMES[mail.kind],
        )

    def _link(self, kind: MailKind, *, token: str) -> str | None:
        path = LINK_PATHS.get(kind)
        return None if path is None else f"{self._web_url}{path}?token={token}"

    async def _note_failure(self, mail: AnyRow, error: CannotDeliver) -> None:
        give_up = error.permanent or datetime.now(UTC) - mail.created_at > GIVE_UP_AFTER
        logger.warning(
            "mail %s (%s) was not taken, try %d, %s: %s",
            mail.id,
            mail.kind,
            mail.attempts,
            "given up" if give_up else "to be tried again",
            error,
        )
        async with self._database.transaction() as db:
            if give_up:
                await repository.note_given_up(db, mail)
            else:
                await repository.note_failure(db, mail, pause=self._pace.pause(mail.attempts))

    async def sweep(self) -> None:
        """Delete, in batches, tokens that have expired, gates that are open again, and records of mails long gone."""
        await repeat_in_transactions(
            self._database.transaction,
            lambda db: repository.sweep(db, interval=self._pace.interval, most=_SWEPT_AT_ONCE),
            batch=_SWEPT_AT_ONCE,
        )


def _address(mail: AnyRow, message: Message, *, to: str) -> Letter:
    return Letter(id=mail.id, recipient=to, created_at=mail.created_at, message=message)


def _wants(kind: MailKind, user: AnyRow) -> bool:
    """Whether the account still has use for the mail."""
    if kind == "verify":
        return user.disabled_at is None and not user.email_verified
    return kind not in ("reset", "change_email") or user.disabled_at is None
