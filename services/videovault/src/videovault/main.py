"""VideoVault as an application."""

from collections.abc import Sequence
from typing import Any

from dbcommon.engine import Database
from videovault import __version__
from videovault.changes.routes import router as changes_router
from videovault.components import Components
from videovault.duplicates.routes import router as duplicates_router
from videovault.duplicates.worker import Prover
from videovault.edits.routes import router as edits_router
from videovault.exchange.routes import router as exchange_router
from videovault.history.routes import router as history_router
from videovault.listing.routes import router as listing_router
from videovault.media.setup import make_media_workers
from videovault.mine.routes import router as mine_router
from videovault.persistence.routes import router as persistence_router
from videovault.pictures.routes import router as pictures_router
from videovault.pictures.service import Pictures
from videovault.playback.routes import router as playback_router
from videovault.playback_urls.signing import PlaybackUrls
from videovault.playlists.routes import router as playlists_router
from videovault.purge.routes import router as purge_router
from videovault.recording.routes import router as recording_router
from videovault.recording.routes import streams as recording_streams
from videovault.roots.routes import router as roots_router
from videovault.saved_filters.routes import router as saved_filters_router
from videovault.scans.routes import router as scans_router
from videovault.scans.worker import ScanWorker
from videovault.settings import Settings
from videovault.streams.body import OpenStreams
from videovault.streams.routes import router as streams_router
from videovault.sync.routes import router as sync_router
from videovault.tag_names.routes import router as tag_names_router
from videovault.tags.routes import router as tags_router
from videovault.tracks.routes import router as tracks_router
from videovault.undo.routes import router as undo_router
from videovault.videos.routes import router as videos_router
from videovault.web.routes import page_router
from videovault.worker import working
from webcommon.app.service import Service
from webcommon.auth.bearer import Issuer
from webcommon.keys import derive_key

DESCRIPTION = """A video library with tags.

Every signed-in user reads; the roles `editor` and `admin` write. Without a database the browser keeps the library:
`GET /v1/persistence` says which of the two it is."""

SERVER_SETTINGS = {
    # A plan that serves every value of a filter is wrong for most of them.
    "plan_cache_mode": "force_custom_plan",
    # For the rows of a common word, page by page: with less memory each row of a page is looked at again.
    "work_mem": "16MB",
    # A page is too short a work to be shared out.
    "max_parallel_workers_per_gather": "0",
}


class VideoVault(Service):
    """The service. With open access, its OpenAPI document asks for no token."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        described = self.openapi_schema is not None
        document = super().openapi()
        if not described and self.component(Settings).access == "open":
            document["components"].pop("securitySchemes")
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation.pop("security", None)
        return document


def create_app(settings: Settings | None = None, *, issuers: Sequence[Issuer] | None = None) -> Service:
    """The service. `issuers` replaces Auth as the issuer of tokens."""
    settings = settings or Settings.from_environment()
    database = None
    if settings.database is not None and settings.persistence != "client":
        database = Database(
            settings.database, application_name=settings.service, server_settings=SERVER_SETTINGS
        )
    app = VideoVault(
        settings,
        version=__version__,
        title="VideoVault",
        description=DESCRIPTION,
        routers=[
            persistence_router,
            purge_router,
            listing_router,
            videos_router,
            playback_router,
            streams_router,
            recording_streams,
            recording_router,
            tracks_router,
            pictures_router,
            edits_router,
            duplicates_router,
            exchange_router,
            mine_router,
            tag_names_router,
            tags_router,
            history_router,
            saved_filters_router,
            playlists_router,
            changes_router,
            undo_router,
            roots_router,
            scans_router,
            sync_router,
            page_router(settings),
        ],
        database=database,
        issuers=issuers,
        lifespan=working,
        persistence="client" if database is None else "server",
    )
    if database is not None:
        key = derive_key(settings.secret.get_secret_value(), "playback URLs")
        media_workers = make_media_workers(settings)
        app.keep(
            Components(
                media_workers=media_workers,
                open_streams=OpenStreams(),
                pictures=Pictures(settings, media_workers),
                playback_urls=PlaybackUrls(key),
                prover=Prover(database, settings),
                scan_worker=ScanWorker(database, settings, media_workers=media_workers),
            )
        )
    return app
