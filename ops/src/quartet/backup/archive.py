"""The archive of the write-ahead log (WAL): its segments, and the times that it covers without a gap."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from quartet.backup.destination import Destination
from quartet.backup.manifest import Manifest, Part, parse_hashed, spell_hashed
from quartet.backup.sealing import SUFFIX
from quartet.errors import BackupFailed, DamagedBackup, NotFound, TimeNotReachable

FOLDER = "wal"
STATE_FILE = f"{FOLDER}/state.json"
PARTIAL = ".partial"
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
HISTORY_NAME = re.compile(r"[0-9A-F]{8}\.history")


class Period(BaseModel):
    """A stretch of WAL without a gap, from one position to another. What was committed by `covered_until` is in it.

    A server that was recovered as a whole goes on upon a timeline of its own, where positions mean other WAL.
    """

    model_config = ConfigDict(extra="forbid")

    timeline: int = 1
    began_at: datetime
    began_lsn: str
    covered_until: datetime
    covered_lsn: str

    def cover(self, moment: datetime, lsn: str) -> bool:
        """Note that all up to a moment is there; whether it is later than what was covered before. A clock may go back: what
        was reachable stays so."""
        is_later = moment >= self.covered_until
        self.covered_until, self.covered_lsn = max(moment, self.covered_until), lsn
        return is_later


class ArchiveState(BaseModel):
    """Whose WAL it is, and its periods, the oldest first."""

    model_config = ConfigDict(extra="forbid")

    system_identifier: str
    server_major: int
    segment_bytes: int
    periods: list[Period]


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a time is reached: a backup's base, then `segments` in their order, until `period` has no more.

    `missing` is a segment that the archive lacks: only times before it are reached, which nobody knows beforehand.
    """

    manifest: Manifest
    base: Part
    period: Period
    segments: tuple[str, ...]
    missing: str | None
    stored_bytes: int


def read_state(destination: Destination) -> ArchiveState | None:
    """What the archive says of itself; None where there is none. Raises DamagedBackup."""
    try:
        content = b"".join(destination.read(STATE_FILE))
    except NotFound:
        return None
    state = parse_hashed(ArchiveState, content)
    if state is None:
        raise DamagedBackup(
            f"{destination.address}/{STATE_FILE} is damaged: give the archive another BACKUP_DESTINATION"
        )
    return state


def write_state(destination: Destination, state: ArchiveState) -> None:
    """Replace what `read_state` reads."""
    destination.put(STATE_FILE, [spell_hashed(state)])


def require_server(state: ArchiveState | None, *, address: str, identifier: str, major: int) -> None:
    """Raises BackupFailed when the destination holds the WAL of another server, or of another major version."""
    if state is None or (state.system_identifier, state.server_major) == (identifier, major):
        return
    raise BackupFailed(
        f"{address} has the WAL of another server (system {state.system_identifier}, PostgreSQL {state.server_major}), and"
        f" this one is system {identifier}, PostgreSQL {major}: set BACKUP_DESTINATION to a place of its own"
    )


def lsn_number(lsn: str) -> int:
    """A position in the WAL as a number of bytes: `0/3000028` is 50331688."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def spell_lsn(number: int) -> str:
    """What `lsn_number` reads."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def end_of_records(insert_lsn: str, *, block_bytes: int, segment_bytes: int) -> str:
    """Where the last record ended, of the position where the next one will begin: at the beginning of a page that is after
    its header (PostgreSQL, src/include/access/xlog_internal.h), which is written with the record."""
    number = lsn_number(insert_lsn)
    header = 40 if number % segment_bytes < block_bytes else 24
    return spell_lsn(number - header if number % block_bytes == header else number)


def object_path(name: str) -> str:
    """Where a file of the WAL is kept."""
    return f"{FOLDER}/{name}{SUFFIX}"


def file_name(path: str) -> str:
    """The name of the file of the WAL that an object holds."""
    return path.removeprefix(f"{FOLDER}/").removesuffix(SUFFIX)


def segment_of(lsn: str, *, timeline: int, segment_bytes: int) -> str:
    """The name of the file that holds a position (PostgreSQL, src/include/access/xlog_internal.h, XLogFileName)."""
    number = lsn_number(lsn) // segment_bytes
    a_log = 0x1_0000_0000 // segment_bytes
    return f"{timeline:08X}{number // a_log:08X}{number % a_log:08X}"


def segment_names(first: str, last: str, *, segment_bytes: int) -> list[str]:
    """The names from one segment to another of its timeline, both included; none when the last is before the first."""
    a_log = 0x1_0000_0000 // segment_bytes
    begin, end = (int(name[8:16], 16) * a_log + int(name[16:], 16) for name in (first, last))
    return [f"{first[:8]}{number // a_log:08X}{number % a_log:08X}" for number in range(begin, end + 1)]


def find_route(
    manifests: Iterable[Manifest], state: ArchiveState | None, sizes: dict[str, int], *, at: datetime
) -> Route:
    """The route to a time: the newest base that ended before it, in a period that covers it; `sizes` are the archive's
    objects by path.

    Raises TimeNotReachable, which tells the times that can be reached.
    """
    manifests = list(manifests)
    if state is not None:
        for period, manifest, base in reversed(_reachable(manifests, state)):
            if base.ended_at is not None and base.ended_at <= at <= period.covered_until:
                return _route(manifest, base, period, state, sizes)
    raise TimeNotReachable(f"{at.isoformat()} cannot be reached: {describe_windows(manifests, state)}")


def windows(manifests: Iterable[Manifest], state: ArchiveState | None) -> list[tuple[datetime, datetime]]:
    """The times that can be reached: from when to when, UTC, the oldest first."""
    found: dict[datetime, tuple[datetime, datetime]] = {}
    for period, _, base in _reachable(list(manifests), state) if state else ():
        if base.ended_at is not None and base.ended_at <= period.covered_until:
            found.setdefault(period.began_at, (base.ended_at, period.covered_until))
    return list(found.values())


def describe_windows(manifests: Iterable[Manifest], state: ArchiveState | None) -> str:
    """The times that can be reached, in words."""
    reachable = windows(manifests, state)
    if not reachable:
        return (
            "`quartet backup wal` has to run, and a full backup to be made meanwhile, before any time can be"
        )
    told = [f"from {_spelt(begin)} to {_spelt(end)}" for begin, end in reachable]
    return f"choose a time {' or '.join(told)}"


def _spelt(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _reachable(manifests: list[Manifest], state: ArchiveState) -> list[tuple[Period, Manifest, Part]]:
    """Each base whose end lies in a period, the oldest first."""
    found = []
    for manifest in sorted(manifests, key=lambda each: each.id):
        base = manifest.base
        if base is None or base.end_lsn is None or manifest.system_identifier != state.system_identifier:
            continue
        for period in state.periods:
            begin, end = lsn_number(period.began_lsn), lsn_number(period.covered_lsn)
            if (base.timeline or 1) == period.timeline and begin <= lsn_number(base.end_lsn) <= end:
                found.append((period, manifest, base))
    return found


def _route(
    manifest: Manifest, base: Part, period: Period, state: ArchiveState, sizes: dict[str, int]
) -> Route:
    timeline = base.timeline or 1
    first = segment_of(base.end_lsn or "0/0", timeline=timeline, segment_bytes=state.segment_bytes)
    last = segment_of(period.covered_lsn, timeline=timeline, segment_bytes=state.segment_bytes)
    paths: list[str] = []
    missing = None
    for name in segment_names(first, last, segment_bytes=state.segment_bytes):
        found = [path for path in (object_path(name), object_path(name + PARTIAL)) if path in sizes]
        if not found and name != last:  # of the last one there is nothing yet when it has just begun
            missing = name
            break
        paths += found[:1]
    return Route(
        manifest=manifest,
        base=base,
        period=period,
        segments=tuple(paths),
        missing=missing,
        stored_bytes=sum(sizes[path] for path in paths),
    )
