"""The backups of a destination: which are whole, which were verified, which are kept."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from quartet.backup.archive import (
    FOLDER,
    ArchiveState,
    file_name,
    lsn_number,
    read_state,
    segment_of,
    windows,
)
from quartet.backup.destination import Destination
from quartet.backup.manifest import Manifest, folder_of, list_ids, read_manifest
from quartet.errors import DamagedBackup, NotFound

VERIFIED_FILE = "verified.json"
Thoroughness = Literal["restored", "objects"]


class Verification(BaseModel):
    """When a backup was verified, and how: `restored` and compared, or by its `objects`' hashes alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    thoroughness: Thoroughness


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What a destination holds. `manifests` are of whole backups, the newest first; `damaged` are the ids of others."""

    manifests: tuple[Manifest, ...]
    damaged: tuple[str, ...]
    state: ArchiveState | None
    sizes: dict[str, int]

    @property
    def windows(self) -> list[tuple[datetime, datetime]]:
        """The times that can be restored to, UTC."""
        return windows(self.manifests, self.state)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How many backups are kept: the last of so many days, weeks and months that have one."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 12


def read_catalogue(destination: Destination) -> Catalogue:
    """All manifests and the state of the WAL's archive."""
    manifests: list[Manifest] = []
    damaged: list[str] = []
    for backup_id in list_ids(destination)[0]:
        try:
            manifests.append(read_manifest(destination, backup_id))
        except DamagedBackup:
            damaged.append(backup_id)
    return Catalogue(
        manifests=tuple(manifests),
        damaged=tuple(damaged),
        state=read_state(destination),
        sizes=destination.sizes(FOLDER),
    )


def write_verification(destination: Destination, backup_id: str, thoroughness: Thoroughness) -> None:
    """Note that a backup was verified now."""
    verification = Verification(at=datetime.now(UTC), thoroughness=thoroughness)
    destination.put(f"{folder_of(backup_id)}/{VERIFIED_FILE}", [verification.model_dump_json().encode()])


def read_verification(destination: Destination, backup_id: str) -> Verification | None:
    """When a backup was verified last; None if it never was."""
    try:
        content = b"".join(destination.read(f"{folder_of(backup_id)}/{VERIFIED_FILE}"))
        return Verification.model_validate_json(content)
    except (NotFound, ValueError):
        return None


def choose_kept(manifests: Sequence[Manifest], retention: Retention) -> tuple[list[Manifest], list[Manifest]]:
    """Those that are kept, and of them the daily ones, whose WAL is kept as well. `manifests`: the newest first.

    The newest is always kept.
    """
    daily = _newest_of_each(manifests, retention.daily, lambda moment: moment.date())
    weekly = _newest_of_each(manifests, retention.weekly, lambda moment: moment.isocalendar()[:2])
    monthly = _newest_of_each(manifests, retention.monthly, lambda moment: (moment.year, moment.month))
    wanted = {manifest.id for manifest in (*manifests[:1], *daily, *weekly, *monthly)}
    return [manifest for manifest in manifests if manifest.id in wanted], daily or list(manifests[:1])


def find_superfluous(catalogue: Catalogue, retention: Retention) -> tuple[list[Manifest], list[str]]:
    """The backups and the objects of the WAL that no retention keeps."""
    kept, daily = choose_kept(catalogue.manifests, retention)
    ids = {manifest.id for manifest in kept}
    return [manifest for manifest in catalogue.manifests if manifest.id not in ids], _old_wal(
        catalogue, daily
    )


def delete_backup(destination: Destination, backup_id: str) -> None:
    """Delete a backup, its manifest first: what a killed deletion leaves is a left-over, not half a backup."""
    paths = destination.sizes(folder_of(backup_id))
    destination.delete(sorted(paths, key=lambda path: not path.endswith("manifest.json")))


def _newest_of_each(
    manifests: Iterable[Manifest], count: int, key: Callable[[datetime], Hashable]
) -> list[Manifest]:
    found: dict[Hashable, Manifest] = {}
    for manifest in manifests:
        found.setdefault(key(manifest.began_at), manifest)
    return list(found.values())[:count]


def _old_wal(catalogue: Catalogue, daily: Sequence[Manifest]) -> list[str]:
    """Segments from before the oldest base that leads to any second."""
    state = catalogue.state
    bases = [
        base
        for manifest in daily
        if (base := manifest.base)
        and base.end_lsn
        and state
        and manifest.system_identifier == state.system_identifier
    ]
    if state is None or not bases:
        return []
    oldest = min(bases, key=lambda base: lsn_number(base.end_lsn or "0/0"))
    first = segment_of(
        oldest.end_lsn or "0/0", timeline=oldest.timeline or 1, segment_bytes=state.segment_bytes
    )
    return [
        path
        for path in sorted(catalogue.sizes)
        if len(name := file_name(path)) >= len(first) and name[8:24] < first[8:]
    ]
