"""`quartet payment …`, called as `quartet` calls it."""

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

import typer

from payment.commands import group
from payment.settings import Settings
from quartet.service_database import run_on
from webcommon.commands import Failure


class _Access:
    """The `ServiceAccess` of one database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, service: str, work: Any) -> Any:
        return asyncio.run(run_on(self._settings.database.url, work, service=service))

    def settings(self, service: str) -> Settings:
        assert service == "payment"
        return self._settings


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command has ended, and what it said."""

    exit_code: int
    output: str

    @property
    def json(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.output)


class Operator:
    """Somebody at the command line. Commands run in a thread, since each has a loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self._access = _Access(settings)

    async def run(self, *arguments: str) -> Done:
        """Run `quartet payment` with these arguments."""
        return await asyncio.to_thread(self._run, arguments)

    def _run(self, arguments: tuple[str, ...]) -> Done:
        output = io.StringIO()
        command = typer.main.get_command(group)
        with contextlib.redirect_stdout(output):
            try:
                code = command(list(arguments), standalone_mode=False, obj=self._access) or 0
            except Failure as failure:
                code, output = failure.exit_code, io.StringIO(str(failure))
            except typer.BadParameter as wrong:
                code, output = 2, io.StringIO(str(wrong))
        return Done(exit_code=code, output=output.getvalue())
