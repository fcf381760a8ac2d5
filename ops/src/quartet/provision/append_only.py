"""Which tables of a service are append-only, as its models say."""

from pathlib import Path

from quartet.remembered import fingerprint, package_folder, recall, remember
from quartet.schema import service_metadata


def append_only_tables(service: str, *, remembered: Path | None = None) -> frozenset[str]:
    """The tables with `info={"append_only": True}`; none for a service that is not installed here. The models take long to
    import, so the tables are kept in the file `remembered` until the models change.

    The database cannot tell: a right that was never granted looks like one that was revoked.
    """
    folder = package_folder(service)
    if folder is None:
        return frozenset()
    models = fingerprint(
        sorted([*folder.glob("models/**/*.py"), *folder.glob("models.py"), *folder.glob("tables.py")])
    )
    known = recall(remembered)
    if service not in known or known[service][0] != models:
        tables = service_metadata(service).tables.values()
        known[service] = [models, [table.name for table in tables if table.info.get("append_only")]]
        remember(remembered, known)
    return frozenset(known[service][1])
