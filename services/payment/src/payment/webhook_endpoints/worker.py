"""The worker that sends the deliveries. Every process has one.

A delivery is claimed and its end recorded in two short transactions; none is open while the endpoint is waited for. If
the process dies in between, another one claims the delivery once its lease has ended, so that an event may be sent
twice. Each endpoint has a run of its own, so that a slow one does not delay the others.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.jobs.queue import Job, retry_after
from dbcommon.schedule import Schedule
from payment import __version__
from payment.webhook_endpoints import repository
from payment.webhook_endpoints.metrics import DeliveryMetrics, DeliveryOutcome
from payment.webhook_endpoints.outbox import append_disabled
from payment.webhook_endpoints.sending import Outcome, Sender
from payment.webhook_endpoints.signatures import SIGNATURE_HEADER, EndpointSecrets, sign_delivery
from webcommon.encryption import CannotDecrypt

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=2)
"""The pauses between attempts: each is twice as long as the one before."""

FAILING_LIMIT = timedelta(days=5)
"""An endpoint is disabled, and a delivery given up, at the first failure this long after failures began."""

AT_ONCE = 4
"""Deliveries that a process sends to one endpoint at once."""

STOP_SECONDS = 5.0
"""How long a shutdown waits for deliveries that are being sent."""

_LEASE_MARGIN = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Deliveries to send to one endpoint."""

    url: str = ""
    keys: tuple[str, ...] = ()
    bodies: Mapping[UUID, str] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()


class DeliveryWorker:
    """Sends the deliveries that are due, of which it looks for more every `pause_seconds`."""

    def __init__(
        self,
        database: Database,
        *,
        sender: Sender,
        secrets: EndpointSecrets,
        metrics: DeliveryMetrics,
        pause_seconds: float,
    ) -> None:
        self._database = database
        self._sender = sender
        self._secrets = secrets
        self._lease = timedelta(seconds=sender.timeout_seconds) + _LEASE_MARGIN
        self._metrics = metrics
        self._pause_seconds = pause_seconds
        self._runs: dict[UUID, asyncio.Task[None]] = {}
        self._stopping = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block runs. At its end, deliveries that are being sent get `STOP_SECONDS` to finish."""
        # A `DBAPIError` here means pending migrations, which /readyz reports.
        async with run_every(
            Schedule(seconds=self._pause_seconds, jitter=0.1),
            self.start_due,
            name="the sending of webhooks",
            expected=(DBAPIError,),
        ):
            try:
                yield
            finally:
                self._stopping = True
        runs = set(self._runs.values())
        if runs:
            _, late = await asyncio.wait(runs, timeout=STOP_SECONDS)
            for run in late:
                run.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def deliver_due(self) -> None:
        """Send all that is due, and wait for its end."""
        await self.start_due()
        await asyncio.gather(*self._runs.values())

    async def start_due(self) -> None:
        """Begin to send to the endpoints for which something is due, but for those that are being sent to."""
        for endpoint_id in await repository.find_endpoints_with_due(self._database):
            if endpoint_id not in self._runs:
                run = self._runs[endpoint_id] = asyncio.create_task(self._send_due(endpoint_id))
                run.add_done_callback(partial(self._forget, endpoint_id))

    def _forget(self, endpoint_id: UUID, _task: object) -> None:
        self._runs.pop(endpoint_id, None)

    async def _send_due(self, endpoint_id: UUID) -> None:
        try:
            await repeat_batches(partial(self._send_some, endpoint_id))
        except (DatabaseError, DBAPIError) as error:
            logger.debug("deliveries to endpoint %s have to wait: %s", endpoint_id, error)
        except Exception:
            logger.exception("deliveries to endpoint %s failed; they are tried again", endpoint_id)

    async def _send_some(self, endpoint_id: UUID) -> int:
        batch = await self._claim(endpoint_id)
        # Where nothing arrives any more, the rest waits for the next look.
        return sum(await asyncio.gather(*(self._deliver(endpoint_id, batch, job) for job in batch.jobs)))

    async def _claim(self, endpoint_id: UUID) -> _Batch:
        if self._stopping:
            return _Batch()
        async with self._database.transaction() as db:
            jobs = await repository.claim_deliveries(db, endpoint_id, most=AT_ONCE, lease=self._lease)
            target = await repository.find_target(db, endpoint_id) if jobs else None
            if target is None:
                return _Batch()
            if target.status == "disabled":
                # Added while it was being disabled.
                await repository.give_up_waiting(db, endpoint_id)
                return _Batch()
            bodies = await repository.find_bodies(db, [job.event_id for job in jobs])
        stored = [secret for secret in (target.secret, target.previous_secret) if secret is not None]
        return _Batch(
            url=target.url, keys=tuple(self._decrypt(stored, endpoint_id)), bodies=bodies, jobs=tuple(jobs)
        )

    def _decrypt(self, stored: list[bytes], endpoint_id: UUID) -> Iterator[str]:
        for secret in stored:
            with contextlib.suppress(CannotDecrypt):
                yield self._secrets.decrypt(secret, endpoint_id=endpoint_id)

    async def _deliver(self, endpoint_id: UUID, batch: _Batch, job: Job) -> bool:
        outcome = await self._send(batch, batch.bodies[job.event_id].encode())
        async with self._database.transaction() as db:
            if outcome.is_success:
                await repository.note_success(db, endpoint_id)
                await repository.QUEUE.finish(db, job, **_columns(job, outcome))
                ended: DeliveryOutcome = "delivered"
            else:
                ended = await _record_failure(db, endpoint_id, job, outcome)
        self._metrics.count(ended)
        return outcome.is_success

    async def _send(self, batch: _Batch, body: bytes) -> Outcome:
        if not batch.keys:
            return Outcome(error="the secret cannot be read, since the service's own was changed; rotate it")
        # Signed at each attempt: receivers refuse an old time.
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Quartet/{__version__}",
            SIGNATURE_HEADER: sign_delivery(body, at=int(time.time()), keys=batch.keys),
        }
        return await self._sender.post(batch.url, body=body, headers=headers)


async def _record_failure(db: AsyncSession, endpoint_id: UUID, job: Job, outcome: Outcome) -> DeliveryOutcome:
    endpoint = await repository.note_failure(db, endpoint_id)
    if endpoint is None:
        return "given_up"  # deleted
    failing_since = job.failing_since or endpoint.now
    values = _columns(job, outcome) | {"failures": job.failures + 1, "failing_since": failing_since}
    pause = retry_after(job.failures + 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
    limit = endpoint.now - FAILING_LIMIT
    is_over = failing_since <= limit
    if is_over:
        await repository.QUEUE.give_up(db, job, **values)
    else:
        await repository.QUEUE.retry(db, job, pause=pause, **values)
    if endpoint.status == "enabled" and endpoint.first_failure_at <= limit:
        logger.warning("webhook endpoint %s is disabled after five days of failures", endpoint_id)
        is_over = True
        await repository.disable_endpoint(db, endpoint_id, reason="failures")
        await append_disabled(db, endpoint_id)
    return "given_up" if is_over else "retried"


def _columns(job: Job, outcome: Outcome) -> dict[str, Any]:
    return {
        "ended_attempts": job.attempts,
        "last_attempt_at": func.now(),
        "duration_ms": outcome.duration_ms,
        "response_status": outcome.status,
        "response_excerpt": outcome.excerpt,
        "error": outcome.error,
    }
