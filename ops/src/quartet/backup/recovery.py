"""A throw-away server at a moment of the past: a base backup, recovered with the archived WAL, paused at the target."""

import asyncio
import contextlib
import os
import re
import shlex
import tarfile
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

import asyncpg
from pyrage.x25519 import Identity

from quartet.backup.archive import PARTIAL, Route, file_name, lsn_number, spell_lsn
from quartet.backup.destination import Destination
from quartet.backup.progress import Advance, Reporter
from quartet.backup.scratch import scratch_folder
from quartet.backup.sealing import Counted, unseal
from quartet.backup.server import connect
from quartet.backup.tools import Tools
from quartet.errors import DamagedBackup, Failure, ServerFailed
from quartet.postgres import Cluster
from quartet.postgres.account import hand_over
from quartet.postgres.binaries import Binaries
from quartet.postgres.cluster import SUPERUSER
from quartet.processes import Account, run

FED_AT_ONCE = 8
"""Segments that lie ready for the server: an archive of days would not fit on the disk."""

POLL_SECONDS = 0.05
_REPLAY = """
    SELECT pg_catalog.pg_get_wal_replay_pause_state() = 'paused',
           coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, '0/0'),
           EXISTS (SELECT FROM pg_catalog.pg_stat_activity
                   WHERE backend_type = 'startup' AND wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream'))
"""

_AS_THE_ORIGINAL = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}
"""A standby refuses to be smaller than its original was (PostgreSQL, "Hot Standby: Administrator's Overview")."""

# Before Python 3.11.4 there are no filters.
_FILTER: dict[str, Any] = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What it takes to recover: a route, where its objects are, and the keys to them. Without a time `at`, to the base's own
    end. `check` looks at the files before the server starts.
    """

    route: Route
    destination: Destination
    identities: list[Identity]
    binaries: Binaries
    at: datetime | None
    check: Callable[[Cluster], None] = lambda _cluster: None

    @contextlib.asynccontextmanager
    async def server(self, parent: Path, *, reporter: Reporter) -> AsyncIterator[Tools]:
        """The server at the target, as the programs reach it; its folder below `parent` goes with the block.

        Raises DamagedBackup, DiskFull or ServerFailed.
        """
        with scratch_folder(parent, purpose="restore") as folder:
            cluster = Cluster(folder / "cluster", binaries=self.binaries)
            with reporter.part("base", total_bytes=self.route.base.bytes) as advance:
                await asyncio.to_thread(self._extract, cluster, advance)
            await asyncio.to_thread(self.check, cluster)
            with _short_folder(cluster.account) as sockets:
                feed = folder / "feed"
                self._configure(cluster, feed=feed, sockets=sockets)
                feeder = _Feeder(self, feed, account=cluster.account)
                try:
                    feeder.start()
                    _start(cluster, feeder)
                    tools = Tools(
                        binaries=cluster.binaries,
                        host=str(sockets),
                        port=cluster.port,
                        user=SUPERUSER,
                        password="",
                    )
                    if self.at is not None and not await self._await_target(
                        tools, cluster, feeder, reporter=reporter
                    ):
                        _start_at_end(cluster)
                    yield tools
                finally:
                    feeder.stop()
                    cluster.stop("immediate")

    def _extract(self, cluster: Cluster, advance: Advance) -> None:
        cluster.data_folder.mkdir(mode=0o700)
        cluster.pgdata.mkdir(mode=0o700)
        base = self.route.base
        with _pushed(self.destination, base.path, self.identities, base.sha256, advance=advance) as stream:
            try:
                with tarfile.open(fileobj=stream, mode="r|") as archive:
                    archive.extractall(cluster.pgdata, members=members_inside(archive), **_FILTER)  # noqa: S202 - checked
            except tarfile.TarError as error:
                raise DamagedBackup(f"{base.path} is damaged ({error}): take an older backup") from error

    def _configure(self, cluster: Cluster, *, feed: Path, sockets: Path) -> None:
        """Write the server's configuration anew: that of the original names other files, and other ports."""
        pgdata = cluster.pgdata
        feed.mkdir(mode=0o755)
        hand_over(feed, cluster.account)
        fetch = f"test -f {shlex.quote(str(feed))}/%f && mv {shlex.quote(str(feed))}/%f %p"
        cluster.settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(sockets),
            "shared_preload_libraries": "",
            **({} if self.at is None else _recovery_settings(self.at, fetch)),
            "archive_timeout": "0",
            "fsync": "off",
            "autovacuum": "off",
            **self._sizes(pgdata, cluster),
        }
        for name, text in (
            ("postgresql.conf", ""),
            ("postgresql.auto.conf", ""),
            ("pg_hba.conf", "local all postgres trust\n"),
            ("pg_ident.conf", ""),
            *(() if self.at is None else [("standby.signal", "")]),
        ):
            (pgdata / name).write_text(text)
        if cluster.account is not None:
            for place, folders, files in os.walk(pgdata):
                for name in (".", *folders, *files):
                    hand_over(Path(place, name), cluster.account)
        hand_over(cluster.data_folder, cluster.account)

    def _sizes(self, pgdata: Path, cluster: Cluster) -> dict[str, str]:
        told = run([cluster.binaries.program("pg_controldata"), pgdata], environment={"LC_ALL": "C"})
        found = dict(re.findall(r"^([^:]+):\s*(.*)$", told.stdout, re.MULTILINE))
        if told.returncode != 0 or not set(_AS_THE_ORIGINAL.values()) <= found.keys():
            raise DamagedBackup(f"{self.route.base.path} holds no control file: take an older backup")
        cluster.max_connections = int(found[_AS_THE_ORIGINAL["max_connections"]])
        return {setting: found[told_as] for setting, told_as in _AS_THE_ORIGINAL.items()}

    def _is_outgrown(self, cluster: Cluster) -> bool:
        """Whether replay pauses since the original was enlarged here: it tells so in the control file."""
        return any(
            int(size) > int(cluster.settings[setting])
            for setting, size in self._sizes(cluster.pgdata, cluster).items()
        )

    async def _grow(self, tools: Tools, cluster: Cluster) -> "asyncpg.Connection[asyncpg.Record]":
        """Start again, as large as the original was by then."""
        cluster.stop()
        cluster.settings |= self._sizes(cluster.pgdata, cluster)
        cluster.start()
        return await connect(tools, "postgres")

    async def _await_target(
        self, tools: Tools, cluster: Cluster, feeder: "_Feeder", *, reporter: Reporter
    ) -> bool:
        """Until replay pauses at the target, or has read all that there is: False, since nothing was committed after it."""
        reached = lsn_number(self.route.base.end_lsn or "0/0")
        end = lsn_number(self.route.period.covered_lsn)
        connection = await connect(tools, "postgres")
        with reporter.part("WAL", total_bytes=max(end - reached, 0)) as advance:
            try:
                while True:
                    feeder.check()
                    was_all_taken = feeder.is_done and not any(feeder.folder.iterdir())
                    replay = await _read_replay(connection, cluster)
                    position = max(lsn_number(replay.lsn), reached)
                    advance(position - reached)
                    reached = position
                    if replay.is_paused and self._is_outgrown(cluster):
                        await connection.close()
                        connection = await self._grow(tools, cluster)
                    elif replay.is_paused:
                        await _end_recovery(connection)
                        return True
                    if was_all_taken and replay.waits:
                        self._check_end(reached, end)
                        return False
                    await asyncio.sleep(POLL_SECONDS)
            finally:
                await connection.close()

    def _check_end(self, reached: int, end: int) -> None:
        """Raises DamagedBackup when the recovery has read all, and did not come to the end of the archive."""
        if reached < end:
            reason = f"lacks the segment {self.route.missing}" if self.route.missing else "is not whole"
            raise DamagedBackup(
                f"the archive of the WAL {reason}, and that time is after {spell_lsn(reached)}, which is the last that can be"
                " reached: choose an earlier time, or another base"
            )


class _Feeder:
    """Lays the archived segments ready in their order, never more than `FED_AT_ONCE`."""

    def __init__(self, recovery: Recovery, folder: Path, *, account: Account | None) -> None:
        self.folder = folder
        self.is_done = False
        self._recovery = recovery
        self._account = account
        self._fault: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeding WAL")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def check(self) -> None:
        """Raises what went wrong."""
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            for path in self._recovery.route.segments:
                while len(list(self.folder.iterdir())) >= FED_AT_ONCE:
                    if self._stopping.wait(POLL_SECONDS):
                        return
                if self._stopping.is_set():
                    return
                self._lay(path)
            self.is_done = True
        except Exception as error:
            self._fault = error

    def _lay(self, path: str) -> None:
        name = file_name(path).removesuffix(PARTIAL)
        unfinished = self.folder.with_name(f"{name}.new")
        with unfinished.open("wb") as file:
            unseal(self._recovery.destination.read(path), file, self._recovery.identities, name=path)
        hand_over(unfinished, self._account)
        unfinished.rename(self.folder / name)


def _start(cluster: Cluster, feeder: _Feeder) -> None:
    try:
        cluster.start()
    except Failure:
        feeder.check()  # a damaged segment is the cause, and the server's end what follows
        raise


@dataclass(frozen=True)
class _Replay:
    """How far the recovery is; `waits`: for a segment that nobody laid ready."""

    is_paused: bool
    lsn: str
    waits: bool


async def _read_replay(connection: "asyncpg.Connection[asyncpg.Record]", cluster: Cluster) -> _Replay:
    try:
        row = await connection.fetchrow(_REPLAY)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        log = cluster.log_file.read_text(errors="replace").splitlines()
        told = next((line for line in reversed(log) if "FATAL" in line or "PANIC" in line), str(error))
        raise ServerFailed(f"the recovery failed ({told}): choose another time, or another base") from error
    return _Replay(*row) if row else _Replay(is_paused=False, lsn="0/0", waits=False)


async def _end_recovery(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Leave recovery at the target. Paused, the server still holds the locks of transactions that ended after it: a table
    that was dropped a second later could not be read."""
    if not await connection.fetchval("SELECT pg_promote(true, 120)"):
        raise ServerFailed(
            "the recovered server did not begin to serve in 120 s: see that the machine has room, and try again"
        )


def _recovery_settings(at: datetime, fetch: str) -> dict[str, str]:
    return {
        "restore_command": fetch,
        "recovery_target_time": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00"),
        "recovery_target_action": "pause",
        "recovery_target_timeline": "current",
        "wal_retrieve_retry_interval": "50ms",
        "hot_standby": "on",
    }


def _start_at_end(cluster: Cluster) -> None:
    """Leave recovery where the WAL ends: a server that has a target does not do so before it. As a standby it would still
    hold the locks of transactions that never ended."""
    cluster.stop()
    for name in _recovery_settings(datetime.now(UTC), ""):
        del cluster.settings[name]
    (cluster.pgdata / "standby.signal").unlink()
    cluster.start()


@contextlib.contextmanager
def _short_folder(account: Account | None) -> Iterator[Path]:
    """A folder for a socket, whose path must not be long, closed to others."""
    with tempfile.TemporaryDirectory(prefix="quartet-") as name:
        folder = Path(name)
        if account is None:
            yield folder
            return
        folder.chmod(0o711)
        inner = folder / "s"
        inner.mkdir(mode=0o700)
        hand_over(inner, account)
        yield inner


@contextlib.contextmanager
def _pushed(
    destination: Destination, path: str, identities: list[Identity], sha256: str, *, advance: Advance
) -> Iterator[IO[bytes]]:
    """What is in a sealed object, to be read; a fault of it is raised at the end of the block."""
    reading, writing = os.pipe()
    faults: list[Exception] = []

    def push() -> None:
        try:
            with os.fdopen(writing, "wb") as sink:
                unseal(destination.read(path), Counted(sink, advance), identities, name=path, sha256=sha256)
        except BrokenPipeError:
            pass  # the reader had enough
        except Exception as error:
            faults.append(error)

    thread = threading.Thread(target=push, name="unsealing")
    thread.start()
    try:
        with os.fdopen(reading, "rb") as stream:
            yield stream
            while stream.read(1024 * 1024):  # tar stops before the padding at the end
                pass
    except Exception:
        thread.join()
        if faults:
            raise faults[0] from None
        raise
    thread.join()
    if faults:
        raise faults[0]


def members_inside(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of an archive. Raises `tarfile.TarError` for one that would lie, or lead, outside of the data directory; the
    server's own archives have none."""
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or member.issym() or member.islnk():
            raise tarfile.ExtractError(f"{member.name} leads outside of the data directory")
        yield member
