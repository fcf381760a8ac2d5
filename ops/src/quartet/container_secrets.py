"""Secrets of the container stack: generated once into a volume, a folder for each consumer.

Each container mounts only its own folder, so that an attacker in one service has none of the others' secrets.
"""

import os
from pathlib import Path

from quartet.provision.plan import SERVICES
from quartet.settings.secrets_file import new_secret, write_privately

FILE_MODE = 0o400
FOLDER_MODE = 0o500


def write_container_secrets(
    folder: Path,
    *,
    service_uid: int | None = None,
    postgres_uid: int | None = None,
    grafana_uid: int | None = None,
) -> int:
    """Generate the missing secrets below `folder`, and set owners and modes; how many were generated."""
    owners = {"postgres": postgres_uid, "grafana": grafana_uid}
    made = 0
    shared: dict[str, str] = {}
    for consumer, name, value_of in _wanted():
        place = folder / consumer
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.chmod(0o700)
        path = place / name
        if not path.exists():
            if value_of not in shared:
                shared[value_of] = _existing(folder, value_of) or new_secret()
                made += 1
            write_privately(path, shared[value_of], mode=FILE_MODE)
        _own(path, owners.get(consumer, service_uid))
    for consumer in {consumer for consumer, _, _ in _wanted()}:
        _own(folder / consumer, owners.get(consumer, service_uid))
        (folder / consumer).chmod(FOLDER_MODE)
    return made


def _wanted() -> list[tuple[str, str, str]]:
    """Consumer, file, and the path of the file that holds the same value."""
    wanted = [
        ("postgres", "postgres_password", "postgres/postgres_password"),
        ("migrate", "postgres_password", "postgres/postgres_password"),
        ("migrate", "backup_db_password", "backup/db_password"),
        ("backup", "db_password", "backup/db_password"),
        ("grafana", "admin_password", "grafana/admin_password"),
    ]
    for service in SERVICES:
        wanted += [
            (service, "secret", f"{service}/secret"),
            (service, "db_password", f"{service}/db_password"),
            ("migrate", f"{service}_db_password", f"{service}/db_password"),
            ("migrate", f"{service}_db_owner_password", f"migrate/{service}_db_owner_password"),
        ]
    return wanted


def _existing(folder: Path, value_of: str) -> str | None:
    path = folder / value_of
    return path.read_text(encoding="utf-8") if path.exists() else None


def _own(path: Path, uid: int | None) -> None:
    if uid is not None:
        os.chown(path, uid, -1)
