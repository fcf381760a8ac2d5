"""The objects that all requests of VideoVault share."""

from dataclasses import dataclass

from videovault.duplicates.worker import Prover
from videovault.media.calls import MediaWorkers
from videovault.pictures.service import Pictures
from videovault.playback_urls.signing import PlaybackUrls
from videovault.scans.worker import ScanWorker
from videovault.streams.body import OpenStreams


@dataclass(frozen=True, kw_only=True)
class Components:
    """Each is asked for by its type (`webcommon.app.state.component`)."""

    media_workers: MediaWorkers | None
    open_streams: OpenStreams
    pictures: Pictures
    playback_urls: PlaybackUrls
    prover: Prover
    scan_worker: ScanWorker
