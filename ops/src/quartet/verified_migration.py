"""Whether services are healthy after their migrations, and the way back when they are not."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from dbcommon.dsn import DatabaseUrl
from quartet.errors import MigrationFailed, ServiceFailed
from quartet.health import check_service
from quartet.schema import known_revisions, rollback
from quartet.settings import OperatorSettings

SETTLING_SECONDS = 5.0
"""How long a service may take to be healthy after its migration."""


def ensure_healthy(settings: OperatorSettings, services: Iterable[str]) -> None:
    """Raises ServiceFailed when a service is unhealthy already: then nothing could be said after a migration."""
    for service in services:
        reason = _find_illness(settings, service)
        if reason is not None:
            raise ServiceFailed(
                f"{service} is not healthy before the migration ({reason}): nothing was changed"
            )


def verify_health(
    settings: OperatorSettings,
    urls: Mapping[str, DatabaseUrl],
    *,
    applied: Mapping[str, Sequence[str]],
    losses: Mapping[str, Mapping[str, list[str]]],
    begun_at: datetime,
) -> None:
    """Check the services that were migrated. Of an unhealthy one the revisions are undone, the newest first, down to one that
    dropped what held rows. Raises MigrationFailed, which says what was undone and what a restore has to bring back."""
    told = []
    for service, revisions in applied.items():
        reason = _find_illness(settings, service, patience=SETTLING_SECONDS)
        if reason is not None:
            outcome = _undo(service, urls[service], revisions=revisions, losses=losses.get(service, {}))
            told.append(
                f"{service} is not healthy after the migration ({reason}): {outcome.format(at=f'{begun_at:%FT%TZ}')}"
            )
    if told:
        raise MigrationFailed("\n".join(told))


def _undo(
    service: str, url: DatabaseUrl, *, revisions: Sequence[str], losses: Mapping[str, list[str]]
) -> str:
    """Undo what can be undone, and say so."""
    lossy = [revision for revision in revisions if revision in losses]
    undoable = revisions[revisions.index(lossy[-1]) + 1 :] if lossy else revisions
    told = []
    if undoable:
        known = ("base", *known_revisions(service))
        # What was written since into new columns goes with them.
        undone = rollback(service, url, to=known[known.index(undoable[0]) - 1], loses_data=True)
        told.append(f"{', '.join(undone)} undone")
    if lossy:
        gone = ", ".join(losses[lossy[-1]])
        told.append(
            f"{lossy[-1]} dropped {gone}: `quartet restore --service {service} --at {{at}} --swap` brings it back"
        )
    return "; ".join(told)


def _find_illness(settings: OperatorSettings, service: str, *, patience: float = 0) -> str | None:
    """Why a service is unhealthy, after `patience` seconds still; None when it is not."""
    deadline = time.monotonic() + patience
    while (report := check_service(service, *settings.host_and_port(service))).status == "fail":
        if time.monotonic() > deadline:
            return report.reason
        time.sleep(0.5)
    return None
