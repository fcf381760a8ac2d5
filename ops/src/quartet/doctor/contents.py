"""What is inside the services' databases."""

from quartet.doctor.finding import Finding, Subject, failure, warning
from quartet.inspection.sizes import read_indexes

SEQUENCE_WARNING = 0.8
SEQUENCE_FAILURE = 0.95

# One that counts down, or starts again from the beginning, has no end that matters.
_SEQUENCES = """
    SELECT schemaname || '.' || sequencename AS name,
        (last_value - min_value)::float8 / NULLIF(max_value - min_value, 0) AS used
    FROM pg_catalog.pg_sequences
    WHERE increment_by > 0 AND NOT cycle AND last_value - min_value >= $1 * (max_value - min_value)::float8
    ORDER BY name
"""

_LARGE_OBJECTS = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata"


async def check_sequences(subject: Subject) -> list[Finding]:
    """No sequence is near its end."""
    findings = []
    for database in (await subject.existing_databases()).values():
        async with subject.server.connect(database) as connection:
            rows = await connection.fetch(_SEQUENCES, SEQUENCE_WARNING)
        findings += [
            (failure if row["used"] >= SEQUENCE_FAILURE else warning)(
                f"{database}: {row['used']:.0%} of the numbers of the sequence {row['name']} are used up",
                fix="a migration that makes the sequence and its column bigint (`ALTER SEQUENCE … AS bigint`)",
            )
            for row in rows
        ]
    return findings


async def check_indexes(subject: Subject) -> list[Finding]:
    """No index is invalid, as a concurrent build leaves one that failed."""
    findings = []
    for service, database in (await subject.existing_databases()).items():
        async with subject.server.connect(database) as connection:
            indexes = await read_indexes(connection)
        findings += [
            warning(
                f"{database}: the index {index.name} of {index.table} is invalid: it is written, and never read",
                fix=f'`DROP INDEX CONCURRENTLY {index.schema}."{index.name}"`, then `quartet db migrate {service}`',
            )
            for index in indexes
            if index.fault == "invalid"
        ]
    return findings


async def check_large_objects(subject: Subject) -> list[Finding]:
    """No database holds large objects, which the role of the backups may not read."""
    findings = []
    for database in (await subject.existing_databases()).values():
        async with subject.server.connect(database) as connection:
            count = await connection.fetchval(_LARGE_OBJECTS)
        if count:
            findings.append(
                failure(
                    f"{database}: {count} large objects: backups of this database fail",
                    fix="`SELECT lo_unlink(oid) FROM pg_largeobject_metadata` there, as the superuser",
                )
            )
    return findings
