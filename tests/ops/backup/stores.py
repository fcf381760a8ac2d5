"""An S3 store as a process of its own, and what lies in it."""

import contextlib
import http.server
import re
import signal
import subprocess
import sys
import threading
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


INTERNAL_ERROR = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"""


@contextlib.contextmanager
def failing_at_the_end_of_uploads(store: Store) -> Iterator[str]:
    """The address of a proxy of the store for the length of a block. It answers requests to complete an upload with 200 and an
    error in the body."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_request(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "POST" and "uploadId=" in self.path:
                answer = httpx.Response(200, content=INTERNAL_ERROR)
            else:
                answer = httpx.request(
                    self.command, store.url + self.path, headers=dict(self.headers), content=content
                )
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in {
                    "connection",
                    "content-encoding",
                    "content-length",
                    "transfer-encoding",
                }:
                    self.send_header(name, value)
            length = answer.headers.get("Content-Length") if self.command == "HEAD" else len(answer.content)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer.content)

        do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = do_request  # noqa: N815 - names of the library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - a name of the library
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}"
        finally:
            proxy.shutdown()
            thread.join()
