"""Payment with failpoints: `python -m tests.services.payment.failpoints`, a program of tests.

It loads the service once. For each line of its input, a JSON object of environment variables, it forks a process of the
service, and writes that process's id. There each commit, each statement that is its own transaction, and each call of Stripe
is a point before and a point after. Their names are appended to the file FAILPOINT_LOG; the process kills itself with -9 at
the point FAILPOINT, such as `after a commit:2`, the second of that name.
"""

import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from payment.stripe_api.calls import Calls
from webcommon.app.launch import launch


class Failpoints:
    """The points of this process."""

    def __init__(self, *, log: str, last: str) -> None:
        self._log = log
        self._last = last
        self._seen: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        """The process has come to a point."""
        self._seen[name] += 1
        point = f"{name}:{self._seen[name]}"
        with open(self._log, "a") as log:
            log.write(f"{point}\n")
        if point == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put the points around what the service does."""
        transaction, fetch_record, call = Database.transaction, Database.fetch_record, Calls.call
        reach = self.reach

        @contextlib.asynccontextmanager
        async def with_commit(self: Database, **options: Any) -> AsyncIterator[AsyncSession]:
            async with transaction(self, **options) as db:
                yield db
                reach("before a commit")
            reach("after a commit")

        async def with_statement(self: Database, *arguments: Any, **parameters: Any) -> Any:
            reach("before a statement")
            record = await fetch_record(self, *arguments, **parameters)
            reach("after a statement")
            return record

        async def with_call(self: Calls, operation: Any, *arguments: Any, **options: Any) -> Any:
            reach(f"before {operation}")
            try:
                return await call(self, operation, *arguments, **options)
            finally:
                reach(f"after {operation}")

        for owner, name, replacement in (
            (Database, "transaction", with_commit),
            (Database, "fetch_record", with_statement),
            (Calls, "call", with_call),
        ):
            setattr(owner, name, replacement)


def _fork(environment: dict[str, str]) -> int:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.update(environment)
        Failpoints(log=environment["FAILPOINT_LOG"], last=environment.get("FAILPOINT", "")).install()
        launch("payment")
    return child


def main() -> None:
    """Fork until the input ends."""
    __import__("payment.main")
    __import__("webcommon.app.server")
    # Nobody waits for the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        sys.stdout.write(f"{_fork(json.loads(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
