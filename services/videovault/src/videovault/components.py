"""The objects that all requests of VideoVault share."""

from dataclasses import dataclass

from videovault.media.calls import MediaWorkers
from videovault.scans.worker import ScanWorker
from videovault.streams.readers import Readers


@dataclass(frozen=True, kw_only=True)
class Components:
    """Each is asked for by its type (`webcommon.app.state.component`)."""

    media_workers: MediaWorkers | None
    readers: Readers
    scan_worker: ScanWorker
