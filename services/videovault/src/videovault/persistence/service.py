"""Where the library is kept, and why."""

from dbcommon.health import Health
from videovault.persistence.schemas import Persistence
from videovault.settings import Settings

CHOSEN = "VIDEOVAULT_PERSISTENCE is set to client."
NOT_CONFIGURED = "No database is configured: VIDEOVAULT_DATABASE_URL and VIDEOVAULT_DB_PASSWORD are not set."


async def read_persistence(settings: Settings, health: Health) -> Persistence:
    """`client` without a database, `server` with one, even while it is down."""
    if health.persistence == "client":
        reason = CHOSEN if settings.persistence == "client" else NOT_CONFIGURED
        return Persistence(mode="client", reason=reason)
    readiness = await health.readiness()
    return Persistence(mode="server", reason=readiness.reason)
