"""Puts VideoVault together."""

from collections.abc import Sequence
from typing import Any

from dbcommon.engine import Database
from videovault import __version__
from videovault.persistence.routes import router as persistence_router
from videovault.settings import Settings
from videovault.videos.routes import router as videos_router
from videovault.web.routes import page_router
from webcommon.app.service import Service
from webcommon.auth.bearer import Issuer

DESCRIPTION = """A personal video library: which videos there are, what kind they are, and how they are tagged.

Every signed-in user of the suite reads; the roles `editor` and `admin` write. The service also runs without a database,
and then leaves the library to the browser: `GET /v1/persistence` says which it is."""


class VideoVault(Service):
    """The service. Its description asks for tokens only where the service does."""

    def openapi(self) -> dict[str, Any]:
        """The description of the API as it is served here."""
        described = self.openapi_schema is not None
        document = super().openapi()
        if not described and self.component(Settings).access == "open":
            document["components"].pop("securitySchemes")
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation.pop("security", None)
        return document


def create_app(settings: Settings | None = None, *, issuers: Sequence[Issuer] | None = None) -> Service:
    """The application. `issuers` replaces Auth as the one whose tokens are accepted."""
    settings = settings or Settings.from_environment()
    database = None
    if settings.database is not None and settings.persistence != "client":
        database = Database(settings.database, application_name=settings.service)
    return VideoVault(
        settings,
        version=__version__,
        title="VideoVault",
        description=DESCRIPTION,
        routers=[persistence_router, videos_router, page_router(settings)],
        database=database,
        issuers=issuers,
        persistence="client" if database is None else "server",
    )
