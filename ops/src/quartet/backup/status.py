"""How safe the data are now: the newest backups, how far behind the WAL's archive is, and which times can be reached."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from quartet.backup.archive import lsn_number
from quartet.backup.catalogue import Catalogue, read_catalogue, read_verification
from quartet.backup.destination import Destination
from quartet.backup.server import BackupServer
from quartet.errors import Failure

OLDEST_SECONDS = 26 * 3600
"""A daily backup, and two hours for it to be made."""

FURTHEST_AHEAD_SECONDS = 300
"""Of the clock: how much later than now a backup may have ended."""

FURTHEST_BEHIND_SECONDS = 120
"""The archive of a working receiver is at most 70 s behind."""

_POSITION = "SELECT clock_timestamp() AS now, pg_catalog.pg_current_wal_flush_lsn()::text AS lsn"


@dataclass(frozen=True, kw_only=True)
class BackupStatus:
    """Ages and lags in seconds; None for what there is none of, or what the server was not there to tell."""

    newest_backup: str | None
    newest_backup_age: float | None
    newest_verified: str | None
    newest_verified_age: float | None
    stored_bytes: int
    wal_lag_seconds: float | None
    wal_lag_bytes: int | None
    windows: tuple[tuple[str, str], ...]
    damaged: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, and what to do about it."""
        found = [
            f"the manifest of {each} is damaged: `quartet backup prune` passes it over"
            for each in self.damaged
        ]
        if self.newest_backup_age is None:
            found.append(
                "there is no backup: `quartet backup full` makes one, `quartet backup run` one every day"
            )
        elif self.newest_backup_age < -FURTHEST_AHEAD_SECONDS:
            found.append(
                f"the newest backup ended {-self.newest_backup_age / 3600:.1f} h after now: a clock went back, or was wrong then"
            )
        elif self.newest_backup_age > OLDEST_SECONDS:
            found.append(
                f"the newest backup is {self.newest_backup_age / 3600:.0f} h old: is `quartet backup run` at work?"
            )
        if self.wal_lag_seconds is None:
            found.append("the WAL is not archived: `quartet backup wal` or `quartet backup run` does it")
        elif self.wal_lag_seconds > FURTHEST_BEHIND_SECONDS:
            found.append(
                f"the archive of the WAL is {self.wal_lag_seconds:.0f} s behind: is `quartet backup wal` or `run` at work?"
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        return asdict(self) | {"faults": self.faults}


async def read_status(server: BackupServer | None, destination: Destination) -> BackupStatus:
    """The status by what is at the destination, and by the server's position in its WAL, if it answers."""
    catalogue = read_catalogue(destination)
    now, position = await _read_position(server) if server is not None else (datetime.now(UTC), None)
    verified = _newest_verified(catalogue, destination)
    newest = catalogue.manifests[0] if catalogue.manifests else None
    period = catalogue.state.periods[-1] if catalogue.state and catalogue.state.periods else None
    is_whole = (
        period is not None and position is not None and lsn_number(position) <= lsn_number(period.covered_lsn)
    )
    behind = max((now - period.covered_until).total_seconds(), 0.0) if period else None
    return BackupStatus(
        newest_backup=newest.id if newest else None,
        newest_backup_age=(now - newest.ended_at).total_seconds() if newest else None,
        newest_verified=verified,
        newest_verified_age=_age_of(catalogue, verified, now),
        stored_bytes=sum(manifest.stored_bytes for manifest in catalogue.manifests)
        + sum(catalogue.sizes.values()),
        wal_lag_seconds=0.0 if is_whole else behind,
        wal_lag_bytes=(
            max(lsn_number(position) - lsn_number(period.covered_lsn), 0) if period and position else None
        ),
        windows=tuple((begin.isoformat(), end.isoformat()) for begin, end in catalogue.windows),
        damaged=catalogue.damaged,
    )


async def _read_position(server: BackupServer) -> tuple[datetime, str | None]:
    try:
        async with server.connect(next(iter(server.databases.values()))) as connection:
            row = await connection.fetchrow(_POSITION)
    except (Failure, asyncpg.PostgresError, OSError):
        row = None
    return (row["now"], row["lsn"]) if row else (datetime.now(UTC), None)


def _newest_verified(catalogue: Catalogue, destination: Destination) -> str | None:
    """The newest backup that was restored and compared."""
    for manifest in catalogue.manifests:
        found = read_verification(destination, manifest.id)
        if found is not None and found.thoroughness == "restored":
            return manifest.id
    return None


def _age_of(catalogue: Catalogue, backup_id: str | None, now: datetime) -> float | None:
    ages = [(now - each.ended_at).total_seconds() for each in catalogue.manifests if each.id == backup_id]
    return ages[0] if ages else None
