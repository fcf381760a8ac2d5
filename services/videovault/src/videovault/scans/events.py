"""The progress of a scan as server-sent events."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from videovault.scans.repository import CHANNEL
from videovault.scans.schemas import ScanBody
from videovault.scans.service import read_scan
from webcommon.app.connection import find_connection
from webcommon.auth.bearer import Caller

SILENT_SECONDS = 15.0
"""A comment is sent after so long without an event, so that no proxy cuts the connection; and the scan is read again."""


class ScanEvents(StreamingResponse):
    """An event `progress` whenever the scan has got on, each with the whole `ScanBody`; the last one's status is its end.

    The stream also ends with the caller's token, and when the server stops.
    """

    media_type = "text/event-stream"

    def __init__(self, database: Database, scan: ScanBody, caller: Caller) -> None:
        super().__init__(
            self._follow(database, scan, caller),
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._listener = database.listener
        self._scan_id = str(scan.id)
        self._wake = asyncio.Event()
        self._is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream until either side ends it."""
        if (connection := find_connection(scope)) is not None:
            connection.when_stopping(self._stop)
        with self._listener.subscribed(CHANNEL, self._note):
            await super().__call__(scope, receive, send)

    def _note(self, scan_id: str | None) -> None:
        if scan_id in (None, self._scan_id):
            self._wake.set()

    def _stop(self) -> None:
        self._is_stopping = True
        self._wake.set()

    async def _follow(self, database: Database, scan: ScanBody, caller: Caller) -> AsyncIterator[str]:
        shown = ""
        while True:
            text = scan.model_dump_json()
            yield f"event: progress\ndata: {text}\n\n" if text != shown else ": \n\n"
            if scan.status != "running" or self._is_stopping or _is_over(caller):
                return
            shown = text
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENT_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            with contextlib.suppress(DatabaseError):  # it may come back
                scan = await read_scan(database, scan.id)


def _is_over(caller: Caller) -> bool:
    # Without tokens there is no end.
    return 0 < caller.expires_at <= time.time()
