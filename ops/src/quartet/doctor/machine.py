"""This machine's disks, and the backups."""

import shutil
from pathlib import Path

from quartet.backup.destination import open_destination
from quartet.backup.progress import spell_bytes
from quartet.backup.server import find_backup_server
from quartet.backup.status import read_status
from quartet.doctor.finding import Finding, Subject, failure, warning

LOW_BYTES = 1024**3
LOW_SHARE = 0.05
FULL_BYTES = 128 * 1024**2
"""Eight segments of WAL: less, and the server may stop at any time."""


async def check_disk(subject: Subject) -> list[Finding]:
    """There is room for the state folder, its logs and the embedded server's data."""
    home = subject.settings.home
    folders = {home.path} | (
        {home.cluster_folder()} if "POSTGRES_HOST" not in subject.settings.explicit else set()
    )
    found = [_judge_disk(folder) for folder in sorted(folders) if folder.is_dir()]
    return list(dict.fromkeys(finding for finding in found if finding))


async def check_backups(subject: Subject) -> list[Finding]:
    """There is a fresh backup, and the WAL since is archived."""
    server = find_backup_server(subject.settings, subject.settings.server())
    status = await read_status(server, open_destination(subject.settings))
    judge = failure if subject.settings.is_production else warning
    found = []
    for fault in status.faults:
        what, _, fix = fault.partition(": ")
        found.append(judge(what, fix=fix))
    return found


def _judge_disk(folder: Path) -> Finding | None:
    usage = shutil.disk_usage(folder)
    if usage.free >= max(LOW_BYTES, LOW_SHARE * usage.total):
        return None
    judge = failure if usage.free < FULL_BYTES else warning
    return judge(
        f"the disk of {folder} has {spell_bytes(usage.free)} left of {spell_bytes(usage.total)}",
        fix="make room, or set QUARTET_HOME to another disk; `quartet db sizes` shows what the databases take",
    )
