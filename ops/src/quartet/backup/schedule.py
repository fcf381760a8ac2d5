"""`quartet backup run`: receives the WAL, makes a full backup a day, prunes, verifies, and tells Prometheus."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import asyncpg
from pyrage.x25519 import Identity, Recipient

from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from quartet.backup.activity import read_activity
from quartet.backup.catalogue import Retention, delete_backup, find_superfluous, read_catalogue
from quartet.backup.destination import Destination
from quartet.backup.full import make_full_backup
from quartet.backup.manifest import Manifest
from quartet.backup.metrics import Metrics
from quartet.backup.progress import Reporter
from quartet.backup.server import BackupServer
from quartet.backup.status import read_status
from quartet.backup.verify import verify_by_restoring, verify_objects
from quartet.backup.wal import Receiver
from quartet.errors import Failure

LOOK_SECONDS = 15.0
RETRY_SECONDS = 600.0


class Scheduler:
    """Runs until `receiver.stopping` is set. What fails is told and tried again after `RETRY_SECONDS`."""

    def __init__(
        self,
        server: BackupServer,
        destination: Destination,
        recipient: Recipient,
        *,
        receiver: Receiver,
        identities: list[Identity],
        daily_at: time,
        retention: Retention,
        disk: Path,
        metrics: Metrics,
        say: Callable[[str], None],
    ) -> None:
        self._server = server
        self._destination = destination
        self._recipient = recipient
        self._receiver = receiver
        self._identities = identities
        self._daily_at = daily_at
        self._retention = retention
        self._disk = disk
        self._metrics = metrics
        self._say = say
        self._not_before = datetime.min.replace(tzinfo=UTC)

    async def run(self) -> None:
        """Receive all the time; make, prune and verify when it is due. Raises what `Receiver.run` raises."""
        schedule = Schedule(seconds=LOOK_SECONDS, at_once=True)
        async with (
            run_every(schedule, self._measure, name="the metrics of backups"),
            run_every(schedule, self._look, name="backups"),
        ):
            await self._receiver.run()

    async def _measure(self) -> None:
        """Read what the metrics tell, also while a backup is made. What cannot be read now is not told."""
        self._metrics.activity = await read_activity(self._server)
        try:
            self._metrics.status = await read_status(self._server, self._destination)
        except (Failure, OSError) as error:
            self._metrics.status = None
            self._say(str(error))

    async def _look(self) -> None:
        try:
            now = datetime.now(UTC)
            if self._receiver.receiving.is_set() and now >= self._not_before and await self._is_due(now):
                self._not_before = now + timedelta(seconds=RETRY_SECONDS)
                await self._make()
        except (Failure, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            self._say(str(error))

    async def _is_due(self, now: datetime) -> bool:
        """Whether no backup began since the last time of day for it, or the archive has begun anew since."""
        catalogue = await asyncio.to_thread(read_catalogue, self._destination)
        due = datetime.combine(now.date(), self._daily_at, UTC)
        last = due if due <= now else due - timedelta(days=1)
        if catalogue.state and catalogue.state.periods:
            last = max(last, catalogue.state.periods[-1].began_at)
        return not catalogue.manifests or catalogue.manifests[0].began_at < last

    async def _make(self) -> None:
        manifest = await make_full_backup(
            self._server, self._destination, self._recipient, reporter=Reporter(None)
        )
        self._say(f"full backup {manifest.id} made")
        await asyncio.to_thread(self._prune)
        await self._verify(manifest)

    def _prune(self) -> None:
        backups, segments = find_superfluous(read_catalogue(self._destination), self._retention)
        for manifest in backups:
            delete_backup(self._destination, manifest.id)
        self._destination.delete(segments)
        if backups or segments:
            self._say(f"{len(backups)} backups and {len(segments)} segments of WAL pruned")

    async def _verify(self, manifest: Manifest) -> None:
        reporter = Reporter(None)
        if not self._identities:
            await asyncio.to_thread(verify_objects, self._destination, manifest, reporter=reporter)
            self._say(f"{manifest.id}: every object is whole; restore it elsewhere with `verify --identity`")
            return
        await verify_by_restoring(
            self._destination,
            manifest,
            self._identities,
            binaries=self._server.tools.binaries,
            disk=self._disk,
            reporter=reporter,
        )
        self._say(f"{manifest.id}: restored and compared")


def parse_time_of_day(text: str) -> time | None:
    """`03:00` as a time of day, UTC; None for anything else."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  a time of day has no zone
    return None
