"""Auth in processes of its own, as replicas on one database."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from tests.processes import Running, replica
from tests.services.auth.auth_app import AuthDatabase


@contextlib.asynccontextmanager
async def auth_process(
    database: AuthDatabase, *, folder: Path, log: str = os.devnull, **settings: str
) -> AsyncIterator[Running]:
    """`python -m auth` on that database until the block ends; `settings` are further variables, `log` keeps what it
    says."""
    async with replica(
        "auth", database.settings, log=log, AUTH_MAIL_FOLDER=str(folder), **settings
    ) as running:
        yield running
