"""The account that runs the server: PostgreSQL refuses to run as root."""

import os
import pwd
from pathlib import Path

from quartet.errors import NoPermission
from quartet.processes import Account, run

UNPRIVILEGED = ("postgres", "nobody")


def server_account() -> Account | None:
    """The account that runs the server when we are root; None when our own account does."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise NoPermission(
        f"PostgreSQL does not run as root, and none of the users {', '.join(UNPRIVILEGED)} exists here;"
        " create one of them, or run this command as another user"
    )


def can_enter(folder: Path, account: Account | None) -> bool:
    """Whether the account may pass through `folder`. Tries it, so that access lists and mounts count too."""
    if account is None:
        return os.access(folder, os.X_OK)
    return run(["/bin/sh", "-c", 'test -x "$0"', folder], account).returncode == 0


def hand_over(path: Path, account: Account | None) -> None:
    """Give a file or folder to the account that runs the server."""
    if account is not None:
        os.chown(path, account.uid, account.gid)
