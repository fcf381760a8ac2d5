"""`quartet studio` as a process of its own, and what a browser does with its pages."""

import contextlib
import html
import re
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE, Popen
from typing import IO, Any

import httpx
import uvicorn

from dbcommon.settings import DatabaseSettings
from quartet.studio import StudioDatabase, create_application, listen
from quartet.studio.gate import Gate
from tests.ops.command import START_SECONDS, workplace
from tests.ops.inspected import settings_for
from tests.servers import TestServer


class Studio:
    """A running studio, which nobody has entered yet."""

    def __init__(self, process: "Popen[str] | None", url: str) -> None:
        self._process = process
        self.url = url
        self.address = url.partition("/?")[0]

    def client(self) -> httpx.Client:
        """A client without a cookie, to be closed by the caller."""
        return httpx.Client(base_url=self.address, timeout=30, follow_redirects=True)

    @contextlib.contextmanager
    def entered(self) -> Iterator["Pages"]:
        """The pages, for a client that exchanged the token for the cookie."""
        with self.client() as client:
            assert client.get(self.url).status_code == 200
            yield Pages(client, self.address)

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code, and what stands on stderr."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        told = self._process.communicate(timeout=START_SECONDS)[1]
        return self._process.returncode, told


class Pages:
    """What a browser with the cookie sees and sends."""

    def __init__(self, client: httpx.Client, address: str) -> None:
        self.client = client
        self.address = address

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """A page."""
        return self.client.get(path, params=parameters)

    def keys(self, table: str, **parameters: Any) -> list[str]:
        """The sealed keys of the rows of a list, in its order."""
        page = self.get(f"/{table}/list", **parameters)
        assert page.status_code == 200, page.text
        return self.keys_on(page.text)

    def keys_on(self, text: str) -> list[str]:
        """The sealed keys on the page of a list."""
        return re.findall(r'<tr data-sa-pk="([^"]+)"', text)

    def values(self, table: str, key: str) -> dict[str, str]:
        """What the page of a row shows, by column."""
        page = self.get(f"/{table}/detail", pk=key)
        assert page.status_code == 200, page.text
        cells = re.findall(r"<strong>(\w+)</strong>.*?<td[^>]*>(.*?)</td>", page.text, re.DOTALL)
        return {name: html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for name, cell in cells}

    def form(self, path: str, **parameters: str) -> dict[str, str]:
        """The fields of a form as the browser would send them back."""
        page = self.get(path, **parameters)
        assert page.status_code == 200, page.text
        areas = re.findall(r'<textarea id="[^"]*" name="(\w+)".*?>\n?(.*?)</textarea>', page.text, re.DOTALL)
        found = {name: html.unescape(text).replace("\n", "\r\n") for name, text in areas}
        return found | {"csrftoken": self.csrf_token(page.text)}

    def csrf_token(self, page: str) -> str:
        """The token of a page's form."""
        found = re.search(r'name="csrftoken" value="([^"]+)"', page)
        assert found is not None
        return found[1]

    def send(self, path: str, data: dict[str, str], **parameters: str) -> httpx.Response:
        """Send a form, as a page of the studio does."""
        headers = {"Origin": self.address}
        return self.client.post(path, params=parameters, data=data, headers=headers)


@contextlib.contextmanager
def served(*databases: StudioDatabase) -> Iterator[Studio]:
    """The application behind its gate, served by a thread of this process."""
    writes = databases[0].writes
    with listen(0) as listener:
        port = listener.getsockname()[1]
        gate = Gate(create_application(databases, writes=writes), token="token", port=port, writes=writes)
        config = uvicorn.Config(gate, log_config=None, lifespan="off", server_header=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Studio(None, f"http://127.0.0.1:{port}/?token=token")
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def pages_of(*databases: StudioDatabase) -> Iterator[Pages]:
    """The pages, for a client that has entered."""
    with served(*databases) as studio, studio.entered() as pages:
        yield pages


def settings_of(server: TestServer, **databases: DatabaseSettings) -> dict[str, str]:
    """Settings that lead to the server, each named service to a database of its own."""
    names = {f"{service.upper()}_DB_NAME": found.url.database for service, found in databases.items()}
    return settings_for(server) | names


@contextlib.contextmanager
def studio(*arguments: str, **told: str) -> Iterator[Studio]:
    """The command, serving, until the block ends."""
    with workplace(**told) as place:
        process = Popen(
            [sys.executable, "-m", "quartet", "studio", *arguments],
            stdout=PIPE,
            stderr=PIPE,
            text=True,
            cwd=place.folder,
            env=place.environment,
        )
        try:
            assert process.stdout is not None
            url = _first_line(process.stdout)
            assert url.startswith("http://127.0.0.1:"), process.communicate()[1]
            yield Studio(process, url)
        finally:
            process.kill()
            process.communicate()


def _first_line(stream: IO[str]) -> str:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(stream.readline).result(timeout=START_SECONDS).strip()
