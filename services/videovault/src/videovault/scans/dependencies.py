"""What the routes of scans ask for."""

from typing import Annotated

from videovault.scans.worker import ScanWorker
from webcommon.app.state import component

ScanWorkerDep = Annotated[ScanWorker, component(ScanWorker)]
"""What runs scans in this process."""
