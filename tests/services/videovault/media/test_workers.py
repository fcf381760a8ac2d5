"""Worker processes: their limits, and what becomes of a call when one dies."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.services.videovault.media.files import media_file, probe
from tests.services.videovault.scans.folders import write
from videovault.files.identity import facts_of
from videovault.media.calls import LENGTH_BYTES, MediaFailed, MediaWorkers

ROOT = Path(__file__).resolve().parents[4]
STUBBORN = f"{__package__}.stubborn_program"


async def test_workers_start_with_work_and_end_with_the_service(kinds: Path) -> None:
    workers = MediaWorkers(most=2, seconds=60, memory_mb=1024)
    async with workers.running():
        assert workers.pids == []
        found = await asyncio.gather(*(probe(workers, kinds / "h264.mp4") for _ in range(6)))
        assert [each["duration_ms"] for each in found] == [found[0]["duration_ms"]] * 6
        pids = workers.pids
        assert len(pids) == 2
    assert workers.pids == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_worker_without_work_ends(kinds: Path) -> None:
    workers = MediaWorkers(most=1, seconds=60, memory_mb=1024, idle_seconds=0)
    async with workers.running():
        await probe(workers, kinds / "h264.mp4")
        await asyncio.sleep(0.001)  # timers run in their order
        assert workers.pids == []


async def test_a_call_whose_worker_is_killed_is_made_by_another(workers: MediaWorkers, kinds: Path) -> None:
    await probe(workers, kinds / "h264.mp4")
    killed = workers.pids
    for pid in killed:
        os.kill(pid, signal.SIGKILL)

    assert (await probe(workers, kinds / "h264.mp4"))["metadata"]["video_codec"] == "h264"
    assert not set(killed) & set(workers.pids)


async def test_a_call_that_takes_too_long_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write(path, b"wait")
    workers = MediaWorkers(most=1, seconds=1, memory_mb=1024, program=STUBBORN)
    async with workers.running():
        with pytest.raises(MediaFailed, match="it took more than 1 seconds") as failed:
            await probe(workers, path)

        assert (failed.value.code, failed.value.is_lasting, workers.pids) == ("unreadable", True, [])


async def test_a_call_that_is_cancelled_leaves_no_worker(kinds: Path) -> None:
    workers = MediaWorkers(most=1, seconds=60, memory_mb=1024)
    async with workers.running():
        await probe(workers, kinds / "h264.mp4")
        (pid,) = workers.pids
        os.kill(pid, signal.SIGSTOP)
        call = asyncio.create_task(probe(workers, kinds / "h264.mp4"))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})

        assert workers.pids == []
        assert (await probe(workers, kinds / "vp8.webm"))["duration_ms"] == 2000


async def test_an_answer_says_which_file_it_was(workers: MediaWorkers, kinds: Path) -> None:
    path = kinds / "h264.mp4"
    answer = await workers.run("probe", media_file(path))
    assert answer.facts == facts_of(path.stat())


@pytest_asyncio.fixture
async def stubborn(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MediaWorkers]:
    """A worker that does what is in the files."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    workers = MediaWorkers(most=1, seconds=60, memory_mb=1024, program=STUBBORN)
    async with workers.running():
        yield workers


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("allocate", "it takes too much memory"),
        ("write", "[Errno 27] File too large"),
        ("die", "its reader ended with -11"),
    ],
)
async def test_a_call_that_does_harm_gives_nothing_and_the_next_one_does(
    stubborn: MediaWorkers, path: Path, act: str, told: str
) -> None:
    write(path, act.encode())
    with pytest.raises(MediaFailed) as failed:
        await probe(stubborn, path)
    assert (failed.value.code, failed.value.detail) == ("unreadable", told)

    write(path, b"tell")
    assert await probe(stubborn, path) == {"secrets": []}


def test_a_worker_whose_service_is_gone_takes_no_more_of_the_processor_than_a_call_may(
    tmp_path: Path,
) -> None:
    path = tmp_path.resolve() / "film.mp4"
    path.write_text("burn")
    asked = json.dumps(
        {"call": "probe", "path": str(path), "root": str(path.parent), "allowed": [str(path.parent)]}
    ).encode()
    ended = subprocess.run(
        [sys.executable, "-m", STUBBORN, "1024", "1"],
        input=len(asked).to_bytes(LENGTH_BYTES) + asked,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGXCPU, b"")
