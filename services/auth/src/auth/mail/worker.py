"""The worker that sends the mails of the outbox. Every process has one.

A mail is claimed and marked as sent in two short transactions; none is open while the mail server is waited for. If the
process dies in between, another process claims the mail once its lease has ended. If the server had already accepted it, it
is sent twice, with the same Message-ID and the same link.
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

from auth.mail import repository
from auth.mail.delivery import CannotDeliver, Delivery, Letter
from auth.mail.link_tokens import LinkTokenCodec
from auth.mail.messages import Message, write_message
from auth.mail.metrics import MailMetrics
from auth.models.mail import MailKind
from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_in_transactions
from dbcommon.jobs.periodic import run_every
from dbcommon.jobs.queue import retry_after
from dbcommon.rows import AnyRow
from dbcommon.schedule import Schedule
from dbcommon.shared_call import SharedCall
from webcommon.signing import hash_token

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Time between two looks into the outbox."""

LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause between two attempts. The first pause is a setting, and each later one is twice as long."""

GIVE_UP_AFTER = timedelta(hours=24)
"""Age at which a mail that could not be sent is given up."""

VERIFY_LIFETIME = timedelta(hours=24)
RESET_LIFETIME = timedelta(hours=1)
CHANGE_LIFETIME = timedelta(hours=24)
"""Lifetimes of links, from when the mail is sent: an outage of the mail server does not shorten them."""

SWEEP_SECONDS = 60.0

MEASURE_SECONDS = 15.0
"""Time between two looks at the outbox's length, as long as Prometheus takes between two of its own."""

SETTLE_SECONDS = 2.0
"""How long `GET /dev/mails` waits for the outbox to be empty."""

_SETTLE_PAUSE_SECONDS = 0.05

STOP_SECONDS = 5.0
"""How long a shutdown waits for mails that are being sent."""

_LEASE_MARGIN_SECONDS = 30.0
_AT_ONCE = 4
_SWEPT_AT_ONCE = 1000

_LIFETIMES = {"verify": VERIFY_LIFETIME, "reset": RESET_LIFETIME, "change_email": CHANGE_LIFETIME}

LINK_PATHS = {
    "verify": "/email/verify",
    "reset": "/password/reset",
    "change_email": "/email/change",
    "revert_email": "/email/undo",
}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """First pause after a failure and time limit of a delivery, in seconds; `interval`: the length of a cooldown."""

    retry_seconds: float
    delivery_seconds: float
    interval: timedelta

    @property
    def lease(self) -> timedelta:
        """Lease of a claimed mail, longer than a delivery can take."""
        return timedelta(seconds=self.delivery_seconds + _LEASE_MARGIN_SECONDS)

    def pause(self, attempts: int) -> timedelta:
        """The pause after so many attempts."""
        first, longest = timedelta(seconds=self.retry_seconds), timedelta(seconds=LONGEST_PAUSE_SECONDS)
        return retry_after(attempts, first=first, longest=longest)


class MailWorker:
    """Sends the mails of the outbox. `web_url`: base address of links."""

    def __init__(
        self,
        database: Database,
        *,
        delivery: Delivery,
        codec: LinkTokenCodec,
        web_url: str,
        pace: Pace,
        metrics: MailMetrics,
    ) -> None:
        self.delivery = delivery
        self._database = database
        self._codec = codec
        self._web_url = web_url.rstrip("/")
        self._pace = pace
        self._metrics = metrics
        self._delivery_of_due = SharedCall(self._deliver_due)
        self._settling = SharedCall(self._settle)
        self._stopping = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block runs. At its end, deliveries that have begun get `STOP_SECONDS` to finish."""
        schedule = Schedule(seconds=min(POLL_SECONDS, self._pace.retry_seconds), at_once=True)
        # A `DBAPIError` here means pending migrations, which /readyz reports.
        async with (
            run_every(Schedule(seconds=SWEEP_SECONDS), self.sweep, name="the sweep of mails"),
            run_every(
                Schedule(seconds=MEASURE_SECONDS),
                self.measure,
                name="the count of mails",
                expected=(DBAPIError,),
            ),
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
        """Send all mails that are due, a few at a time. Concurrent calls share one run."""
        await self._delivery_of_due.ask()

    async def _deliver_due(self) -> None:
        while mails := await self._claim():
            await asyncio.gather(*(self._deliver(mail) for mail in mails))

    async def settle(self) -> None:
        """Send until the outbox is empty, at most for `SETTLE_SECONDS`. A mail that waits for its next attempt counts too."""
        if self._settling.is_running:
            # The run may have read the outbox before the caller's mail was added.
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
            await self._record_failure(mail, error)
        except Exception as error:
            logger.exception("mail %s (%s) could not be sent", mail.id, mail.kind)
            await self._record_failure(mail, CannotDeliver(type(error).__name__))
        else:
            async with self._database.transaction() as db:
                await repository.mark_sent(db, mail.id)
            self._metrics.count_attempt("sent")

    async def _prepare(self, mail: AnyRow) -> Letter | None:
        """The mail as it is sent; None when it was withdrawn, has no recipient, or a newer one replaces it."""
        if mail.kind == "account_deleted":
            message = write_message(mail.kind, username=mail.payload, payload=None, link=None)
            return _address(mail, message, to=mail.recipient)
        async with self._database.transaction() as db:
            user = await repository.lock_recipient(db, mail)
            # The transaction that held the account's lock may have withdrawn the mail.
            if not await repository.lock_mail(db, mail.id):
                return None
            if user is None or not _is_wanted(mail.kind, user):
                await repository.delete_mail(db, mail.id)
                return None
            await repository.set_user(db, mail.id, user_id=user.id)
            if mail.kind == "change_email":
                holder = await repository.find_other_holder(db, mail.recipient, user_id=user.id)
                if holder is not None:
                    taken = write_message("email_taken", username=holder.username, payload=None, link=None)
                    return _address(mail, taken, to=holder.address)
            token = self._codec.issue(mail.id, seed=mail.seed)
            if mail.kind in _LIFETIMES and not await self._store_token(db, mail, user=user, token=token):
                await repository.delete_mail(db, mail.id)
                return None
        link = self._link(mail.kind, token=token)
        message = write_message(mail.kind, username=user.username, payload=mail.payload, link=link)
        return _address(mail, message, to=user.address)

    async def _store_token(self, db: AsyncSession, mail: AnyRow, *, user: AnyRow, token: str) -> bool:
        """Store the link's token, whose lifetime starts now; False when the mail is not to be sent."""
        if await repository.is_superseded(db, mail, user_id=user.id):
            return False
        return await repository.upsert_token(
            db,
            mail,
            user=user,
            token_hash=hash_token(token),
            lifetime=_LIFETIMES[mail.kind],
        )

    def _link(self, kind: MailKind, *, token: str) -> str | None:
        path = LINK_PATHS.get(kind)
        return None if path is None else f"{self._web_url}{path}?token={token}"

    async def _record_failure(self, mail: AnyRow, error: CannotDeliver) -> None:
        give_up = error.permanent or datetime.now(UTC) - mail.created_at > GIVE_UP_AFTER
        logger.warning(
            "mail %s (%s) was not sent, attempt %d, %s: %s",
            mail.id,
            mail.kind,
            mail.attempts,
            "given up" if give_up else "to be retried",
            error,
        )
        self._metrics.count_attempt("given_up" if give_up else "retried")
        async with self._database.transaction() as db:
            if give_up:
                await repository.mark_failed(db, mail)
            else:
                await repository.schedule_retry(db, mail, pause=self._pace.pause(mail.attempts))

    async def measure(self) -> None:
        """Tell `/metrics` how many mails wait, and since when."""
        number, oldest_seconds = await repository.measure_pending(self._database)
        self._metrics.set_pending(number, oldest_seconds=oldest_seconds)

    async def sweep(self) -> None:
        """Delete, in batches, old records of mails, and cooldowns and tokens that have expired."""
        await repeat_in_transactions(
            self._database.transaction,
            lambda db: repository.sweep(db, interval=self._pace.interval, most=_SWEPT_AT_ONCE),
            batch=_SWEPT_AT_ONCE,
        )


def _address(mail: AnyRow, message: Message, *, to: str) -> Letter:
    return Letter(id=mail.id, recipient=to, created_at=mail.created_at, message=message)


def _is_wanted(kind: MailKind, user: AnyRow) -> bool:
    """Whether the mail still has a purpose."""
    if kind == "verify":
        return user.disabled_at is None and not user.email_verified
    return kind not in ("reset", "change_email") or user.disabled_at is None
