"""The roles of a backup: those that the plan does not make, such as an analyst's, are brought back before any database is."""

import re

from pyrage.x25519 import Identity

from quartet.backup.destination import Destination
from quartet.backup.manifest import Manifest
from quartet.backup.sealing import unseal
from quartet.provision.plan import AdminConnection
from quartet.provision.session import open_session

_STATEMENT = re.compile(r'^(?:CREATE|ALTER) ROLE ("(?:[^"]|"")+"|\w+)(?: WITH [A-Z0-9 ]+)?;$', re.MULTILINE)
"""As `pg_dumpall` spells a role and its attributes, a statement a line."""


async def restore_missing_roles(
    destination: Destination, manifest: Manifest, identities: list[Identity], *, admin: AdminConnection
) -> list[str]:
    """Make the roles of a backup that the server lacks, without passwords and memberships; their names.

    Raises DamagedBackup, or BackupFailed.
    """
    text = bytearray()
    for part in manifest.parts:
        if part.kind == "globals":
            unseal(
                destination.read(part.path),
                _Kept(text),
                identities,
                name=part.path,
                sha256=part.sha256,
            )
    made: list[str] = []
    async with open_session(admin) as session:
        present = {row["rolname"] for row in await session.rows("SELECT rolname FROM pg_catalog.pg_roles")}
        for statement in _STATEMENT.finditer(text.decode()):
            name = statement[1].removeprefix('"').removesuffix('"').replace('""', '"')
            if name not in present:
                await session.connection.execute(statement[0])
                made.append(name)
    return list(dict.fromkeys(made))


class _Kept:
    """A sink that keeps what it is given."""

    def __init__(self, kept: bytearray) -> None:
        self._kept = kept

    def write(self, data: bytes, /) -> None:
        self._kept.extend(data)
