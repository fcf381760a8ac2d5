"""Work that is repeated: its failures, its waking, its end; and that no other loop is written by hand."""

import ast
import asyncio
import logging
from pathlib import Path

import pytest

from dbcommon.errors import DatabaseBusy, DatabaseUnavailable
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import FAILURES_TO_WARN, run_every
from dbcommon.schedule import Schedule

ROOT = Path(__file__).parents[3]
ALLOWED = {
    "libs/dbcommon/src/dbcommon/jobs/periodic.py",
    # A socket is read and written by a loop each, which end with the socket.
    "services/l2p/src/l2p/live/session.py",
    "services/l2p/src/l2p/live/outbox.py",
    "services/l2p/src/l2p/live/stream.py",
    # It waits for the client to go, and ends with the response.
    "services/videovault/src/videovault/streams/body.py",
} | {f"libs/webcommon/src/webcommon/auth/{cache}.py" for cache in ("jwks", "revocations")}
PATIENT_SECONDS = 60
NEVER = 3600.0


class Work:
    """Counts its runs; raises the errors that it was given, one a run."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.runs = 0
        self.ran = asyncio.Condition()

    async def __call__(self) -> None:
        async with self.ran:
            self.runs += 1
            self.ran.notify_all()
        if self.errors:
            raise self.errors.pop(0)

    async def wait_for(self, runs: int) -> None:
        async with asyncio.timeout(PATIENT_SECONDS), self.ran:
            await self.ran.wait_for(lambda: self.runs >= runs)


async def test_work_is_repeated() -> None:
    work = Work()
    async with run_every(Schedule(seconds=0.001), work, name="work"):
        await work.wait_for(3)


async def test_work_that_failed_is_logged_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(RuntimeError("broken"))
    async with run_every(Schedule(seconds=0, at_once=True), work, name="the counting"):
        await work.wait_for(2)
    (record,) = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert (record.getMessage(), record.levelname) == ("the counting failed; it is tried again", "ERROR")
    assert record.exc_info is not None


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), KeyError("expected")])
async def test_a_database_that_is_away_and_expected_errors_are_quiet(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    work = Work(error)
    schedule = Schedule(seconds=NEVER, retry_seconds=0, at_once=True)
    async with run_every(schedule, work, name="work", expected=(KeyError,)):
        await work.wait_for(2)
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


async def test_expected_errors_in_a_row_become_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[Exception] = [DatabaseUnavailable("away") for _ in range(2 * FAILURES_TO_WARN)]
    errors[FAILURES_TO_WARN - 1] = DatabaseBusy("it waited too long")
    work = Work(*errors)
    async with run_every(Schedule(seconds=0, at_once=True), work, name="the sweeping"):
        await work.wait_for(2 * FAILURES_TO_WARN + 1)
    (record,) = [record for record in caplog.records if record.levelno >= logging.INFO]
    told = f"the sweeping has to wait, failure {FAILURES_TO_WARN} in a row: it waited too long"
    assert (record.getMessage(), record.levelname) == (told, "WARNING")


async def test_waking_ends_the_pause() -> None:
    work, wake = Work(), asyncio.Event()
    async with run_every(Schedule(seconds=NEVER), work, name="work", wake=wake):
        assert work.runs == 0
        wake.set()
        await work.wait_for(1)


async def test_waking_during_a_run_causes_another_one() -> None:
    work, wake = Work(), asyncio.Event()

    async def wake_once() -> None:
        await work()
        if work.runs == 1:
            wake.set()

    async with run_every(Schedule(seconds=NEVER, at_once=True), wake_once, name="work", wake=wake):
        await work.wait_for(2)


@pytest.mark.parametrize(("stop_seconds", "finishes"), [(PATIENT_SECONDS, True), (0, False)])
async def test_a_run_under_way_gets_its_time_at_the_end(stop_seconds: float, finishes: bool) -> None:
    began, may_finish, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        await may_finish.wait()
        finished.set()

    schedule = Schedule(seconds=0, at_once=True)
    async with run_every(schedule, work, name="work", stop_seconds=stop_seconds):
        await began.wait()
        asyncio.get_running_loop().call_later(0.01, may_finish.set)
    assert finished.is_set() == finishes


def test_jitter_spreads_the_pauses() -> None:
    schedule = Schedule(seconds=10, jitter=0.5)
    pauses = {schedule.pause(failures=0) for _ in range(50)}
    assert len(pauses) > 1
    assert all(5 <= pause <= 15 for pause in pauses)


def test_pauses_after_failures_grow_to_a_limit() -> None:
    schedule = Schedule(seconds=60, retry_seconds=1, retry_limit_seconds=5)
    assert [schedule.pause(failures=number) for number in (0, 1, 2, 3, 4, 10_000)] == [60, 1, 2, 4, 5, 5]


async def test_batches_end_with_the_first_that_is_not_full() -> None:
    counts = [10, 10, 3, 10]

    async def delete() -> int:
        return counts.pop(0)

    await repeat_batches(delete, batch=10)
    assert counts == [10]


def find_loops(source: str) -> list[str]:
    """Names of functions with a `while` that the same module starts as a task."""
    tree = ast.parse(source)
    looping = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef)
        and any(isinstance(inner, ast.While) for inner in ast.walk(node))
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    started = [call.args[0] for call in calls if _last_name(call.func) in ("create_task", "ensure_future")]
    names = [_last_name(argument.func) for argument in started if isinstance(argument, ast.Call)]
    return sorted(looping & set(names))


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_a_loop_by_hand_is_found() -> None:
    source = """
class Looping:
    async def start(self):
        self.task = asyncio.create_task(self._keep())
        self.once = asyncio.create_task(self._read())
    async def _keep(self):
        while True:
            await asyncio.sleep(1)
    async def _read(self): ...
"""
    assert find_loops(source) == ["_keep"]


def test_no_background_loop_is_written_by_hand() -> None:
    found = {
        str(path.relative_to(ROOT)): loops
        for folder in ("libs", "services", "ops")
        for path in (ROOT / folder).glob("**/src/**/*.py")
        if (loops := find_loops(path.read_text()))
    }
    assert {path: loops for path, loops in found.items() if path not in ALLOWED} == {}, (
        "run the body of the loop by dbcommon.jobs.periodic.run_every instead"
    )
