"""pg_stat_statements, in a schema of the database `postgres`, to which no service can connect."""

from quartet.provision.session import Session

SCHEMA = "monitoring"


async def ensure_monitoring(session: Session) -> None:
    """Install the extension if the server loads it; nothing of the stack depends on it."""
    loaded = await session.value("SELECT pg_catalog.current_setting('shared_preload_libraries')")
    if "pg_stat_statements" not in loaded:
        return
    present = await session.value(
        "SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements'"
    )
    if present:
        return
    await session.change("schema monitoring created", f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    await session.change(
        "extension pg_stat_statements installed", f"CREATE EXTENSION pg_stat_statements WITH SCHEMA {SCHEMA}"
    )
