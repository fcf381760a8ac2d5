"""An S3 store as a process of its own, and what lies in it."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from quartet.processes import spawn
from tests.ops.command import status_of, wait_until
from tests.processes import free_port

BUCKET = "backups"


@dataclass
class Store:
    """moto's server, and one bucket of it."""

    port: int
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def told(self) -> dict[str, str]:
        """What a command has to be told to put its backups here."""
        return {
            "BACKUP_DESTINATION": f"s3://{BUCKET}/of/quartet",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret of the store",
        }

    def start(self) -> None:
        """Start it, empty, on its port."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("ab") as output:
            self.process = spawn(
                command, environment={}, output=output, signal_at_parents_death=signal.SIGKILL
            )
        wait_until(lambda: status_of(f"{self.url}/moto-api/"))
        httpx.put(f"{self.url}/{BUCKET}").raise_for_status()

    def empty(self) -> None:
        """Forget all that is in it."""
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()
        httpx.put(f"{self.url}/{BUCKET}").raise_for_status()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def objects(self) -> list[str]:
        """The keys of its objects."""
        return _keys(httpx.get(f"{self.url}/{BUCKET}", params={"list-type": "2"}).text)

    def open_uploads(self) -> list[str]:
        """The keys of uploads that were neither completed nor given up."""
        return _keys(httpx.get(f"{self.url}/{BUCKET}", params={"uploads": ""}).text)


def _keys(listing: str) -> list[str]:
    return re.findall("<Key>(.*?)</Key>", listing)


@contextlib.contextmanager
def running_store(folder: Path) -> Iterator[Store]:
    """A store for the length of a block."""
    store = Store(free_port(), folder / "store.log")
    store.start()
    try:
        yield store
    finally:
        store.kill()
