"""Write the passwords and secrets of the environment into the folders of their consumers.

    keep_given_secrets.py /secrets

Runs before `quartet secrets init`, which generates the missing ones. A value that is no longer given stays as it
was, since the data behind it still want it.
"""

import json
import os
import sys
from pathlib import Path

SUPERUSER = "migrate/postgres_password"
"""Kept beside it, in `.before`: what the server may still want, for rotate_superuser.py to replace there."""

SERVICES = ("auth", "l2p", "payment", "videovault")


def main() -> int:
    folder = Path(sys.argv[1])
    for name, places in destinations().items():
        value = os.environ.get(name, "")
        for place in places if value else ():
            path = folder / place
            before = path.read_text(encoding="utf-8") if path.exists() else None
            if before == value:
                continue
            if place == SUPERUSER and before is not None:
                remember(path, before)
            write(path, value)
            sys.stdout.write(f"{name} of the environment is in {folder / place}\n")
    return 0


def destinations() -> dict[str, tuple[str, ...]]:
    """The files for each variable's value, below the folder of secrets."""
    found: dict[str, tuple[str, ...]] = {
        "POSTGRES_PASSWORD": ("postgres/postgres_password", SUPERUSER),
        "GRAFANA_ADMIN_PASSWORD": ("grafana/admin_password",),
        "BACKUP_DB_PASSWORD": ("backup/db_password", "migrate/backup_db_password"),
    }
    for service in SERVICES:
        prefix = service.upper()
        found[f"{prefix}_SECRET"] = (f"{service}/secret",)
        found[f"{prefix}_DB_PASSWORD"] = (f"{service}/db_password", f"migrate/{service}_db_password")
        found[f"{prefix}_DB_OWNER_PASSWORD"] = (f"migrate/{service}_db_owner_password",)
    return found


def write(path: Path, value: str) -> None:
    """Replace the file in one step. Only its owner can read it at any time."""
    path.parent.chmod(0o700)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
    unfinished.replace(path)


def remember(path: Path, before: str) -> None:
    """Add a former password to those in `<path>.before`, which has the owner of `path`."""
    former = path.with_name(f"{path.name}.before")
    known = json.loads(former.read_text(encoding="utf-8")) if former.exists() else []
    owner = path.stat().st_uid
    write(former, json.dumps([*known, before]))
    os.chown(former, owner, -1)


if __name__ == "__main__":
    sys.exit(main())
