"""pg_stat_statements, in a schema of its own of the database `postgres`, which no service can enter."""

from quartet.provision.session import Session

SCHEMA = "monitoring"


async def ensure_monitoring(session: Session) -> None:
    """Install the extension where the server has it and loads it; without it nothing but `db slow` is missing."""
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
