"""A server whose WAL was received, and what happened on it, by the server's own clock."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from obstore.store import LocalStore

from quartet.backup.archive import ArchiveState, read_state
from quartet.backup.destination import Destination
from tests.ops.backup.commands import StartedCommand, started
from tests.ops.backup.servers import FilledServer, filled_server
from tests.ops.command import Workplace, wait_until, workplace

RECEIVING = "receiving into"


def state_of(place: Workplace) -> ArchiveState:
    """What the archive of a workplace says of itself."""
    folder = place.home / "backups"
    state = read_state(Destination(str(folder), LocalStore(folder)))
    assert state is not None
    return state


def objects_of(place: Workplace) -> list[Path]:
    """The files of the archive of a workplace, by name."""
    return sorted((place.home / "backups" / "wal").glob("*.age"))


def part_of(place: Workplace, name: str) -> Path:
    """The file of a part of the only backup of a workplace, such as `l2p.dump`."""
    [path] = (place.home / "backups" / "full").glob(f"*/{name}.zst.age")
    return path


def flip(path: Path) -> None:
    """Change a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@contextlib.contextmanager
def receiving(place: Workplace, **told: str) -> Iterator[StartedCommand]:
    """`quartet backup wal`, once it receives."""
    with started(place, "backup", "wal", **told) as command:
        wait_for(command, RECEIVING)
        yield command


def wait_for(command: StartedCommand, text: str, *, times: int = 1) -> None:
    """Until a command has said something, so many times."""

    def said() -> bool:
        assert command.process.poll() is None, command.output
        return command.output.count(text) >= times

    wait_until(said)


def end(command: StartedCommand) -> None:
    """Ask a receiver to end, which it does well."""
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0, command.output


@dataclass
class Story:
    """What happened: times by name, as `--at` takes them, and the rows of a database at each."""

    filled: FilledServer
    place: Workplace
    times: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def note_time(self, name: str) -> None:
        """Remember this moment."""
        [now] = self.filled.fetch("postgres", "SELECT clock_timestamp()")
        assert isinstance(now, datetime)
        self.times[name] = now.isoformat().replace("+00:00", "Z")


@contextlib.contextmanager
def told_story() -> Iterator[Story]:
    """Payment loses a table; then VideoVault writes, while a transaction that does not end locks a table of it.

    No segment is switched in between, and the receiver has ended afterwards.
    """
    with filled_server() as filled, workplace(**filled.told) as place, asyncio.Runner() as runner:
        story = Story(filled, place)
        with receiving(place) as receiver:
            done = place.call("backup", "full")
            assert done.returncode == 0, done.stderr
            _lose_a_table(story, runner)
            _write_the_last(story, receiver, runner)
        yield story


def _lose_a_table(story: Story, runner: "asyncio.Runner") -> None:
    filled, one_more = story.filled, "INSERT INTO users (id) VALUES (gen_random_uuid())"
    filled.execute("payment_db", *[one_more] * 10)
    late = runner.run(filled.provisioned.open("postgres", "payment_db"))
    runner.run(late.execute("BEGIN"))
    runner.run(late.execute(one_more))
    story.rows["before the loss"] = filled.contents("payment_db")
    story.note_time("before the loss")
    runner.run(late.execute("COMMIT"))
    runner.run(late.close())
    filled.execute("payment_db", one_more, "DROP TABLE users CASCADE")


def _write_the_last(story: Story, receiver: StartedCommand, runner: "asyncio.Runner") -> None:
    filled = story.filled
    endless = runner.run(filled.provisioned.open("postgres", "videovault_db"))
    runner.run(endless.execute("BEGIN"))
    runner.run(endless.execute("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE"))
    filled.execute("videovault_db", "UPDATE videos SET file_size = file_size + 1")
    story.note_time("the end")
    end(receiver)
    runner.run(endless.close())
    story.rows["the end"] = filled.contents("videovault_db")
