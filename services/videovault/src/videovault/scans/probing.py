"""What the films hold that a scan has found."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from videovault.files.comparing import is_same
from videovault.files.identity import FileFacts
from videovault.files.paths import to_bytes
from videovault.files.walking import Trouble, TroubleCode
from videovault.media.calls import MediaFailed, MediaFile, MediaWorkers
from videovault.media.repository import NotProbed, ProbedVideo

_CODES: dict[str, TroubleCode] = {"incomplete": "incomplete", "unsupported": "unsupported"}


async def probe_films(
    workers: MediaWorkers,
    films: Sequence[NotProbed],
    *,
    root: bytes,
    allowed: Sequence[bytes],
    is_over: Callable[[], bool] = lambda: False,
) -> tuple[list[ProbedVideo], list[Trouble]]:
    """What to keep of films below the root, and what is wrong with them. Of a film that changes, nothing is kept; nor of those
    that were not begun when it `is_over`."""
    kept: list[ProbedVideo] = []
    troubles: list[Trouble] = []
    waiting = iter(films)

    async def work() -> None:
        for film in waiting:
            if is_over():
                return
            probed, trouble = await _probe(workers, film, root=root, allowed=allowed)
            kept.extend([probed] if probed else [])
            troubles.extend([trouble] if trouble else [])

    async with asyncio.TaskGroup() as group:
        for _ in range(workers.most):
            group.create_task(work())
    return kept, troubles


async def _probe(
    workers: MediaWorkers, film: NotProbed, *, root: bytes, allowed: Sequence[bytes]
) -> tuple[ProbedVideo | None, Trouble | None]:
    path = film.true_path or to_bytes(film.file.path)
    try:
        answer = await workers.run("probe", MediaFile(path=path, root=root, allowed=allowed))
    except MediaFailed as failed:
        if failed.code == "gone":
            return None, None  # the next scan finds where it is
        if not _is_still(film, failed.facts):
            return None, _changed(film)
        error = {"code": failed.code, "detail": failed.detail}
        kept = _keep(film, error=error) if failed.is_lasting else None
    else:
        if not _is_still(film, answer.facts):
            return None, _changed(film)
        error = answer.result["error"]
        kept = _keep(film, error=error, **_read(answer.result))
    return kept, None if error is None else tell_failure(film.file.path, error)


def _is_still(film: NotProbed, facts: FileFacts | None) -> bool:
    return facts is None or is_same(facts, film.file, now=time.time_ns())


def _changed(film: NotProbed) -> Trouble:
    return Trouble(film.file.path, "incomplete", "it was written to while it was read")


def _keep(film: NotProbed, **values: Any) -> ProbedVideo | None:
    assert film.file.identity is not None  # noqa: S101 - of those that are to be probed
    return ProbedVideo(id=film.file.id, identity=film.file.identity, **values)


def _read(result: dict[str, Any]) -> dict[str, Any]:
    duration = result["duration_ms"]
    return {
        "metadata": result["metadata"],
        "title": result["title"],
        "duration_seconds": None if duration is None else round_duration(duration),
    }


def round_duration(milliseconds: int) -> int:
    """Seconds, rounded half up; at least 1, since the film lasts."""
    return max(1, (milliseconds + 500) // 1000)


def tell_failure(path: str, error: dict[str, str]) -> Trouble:
    """The error of a scan that a broken film is."""
    return Trouble(path, _CODES.get(error["code"], "unreadable"), error["detail"])
