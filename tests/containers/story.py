"""The main job of the four services over their published ports: an account, a lobby, an order, a video."""

import http.client
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.containers.engine import SERVICES, DrillFailed, Stack

INSIDE_PORTS = {"auth": 5500, "l2p": 3001, "payment": 3004, "videovault": 5100}
PASSWORD = "seven quiet harbours"
WRITERS = 8
"""Writers at the same time."""

PAUSE_SECONDS = 0.2
"""Between two writes of one writer, which bounds the rows that each later step reads again."""


@dataclass
class Services:
    """The four services as a client on this machine reaches them."""

    ports: dict[str, int]

    @classmethod
    def published_by(cls, stack: Stack) -> "Services":
        """The services at the ports that the stack published."""
        return cls({service: stack.port(service, INSIDE_PORTS[service]) for service in SERVICES})

    def call(
        self,
        service: str,
        request: str,
        *,
        body: Any = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        seconds: float = 10,
    ) -> tuple[int, Any]:
        """Send `METHOD /path`; status and decoded body. Raises OSError without an answer."""
        method, path = request.split(" ", 1)
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(content) if content else None

    def expect(self, status: int, service: str, request: str, **options: Any) -> Any:
        """`call`, and DrillFailed for any other status."""
        found, body = self.call(service, request, **options)
        if found != status:
            raise DrillFailed(f"{service} {request}: {found} instead of {status}: {body}")
        return body

    def statuses(self, path: str) -> dict[str, int]:
        """Each service's status at a health route, all asked at once; 0 without an answer."""
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            return dict(zip(SERVICES, pool.map(self._status, SERVICES, [path] * len(SERVICES)), strict=True))

    def _status(self, service: str, path: str) -> int:
        try:
            return self.call(service, f"GET {path}", seconds=2)[0]
        except (OSError, http.client.HTTPException):
            return 0


@dataclass
class Story:
    """One customer's rows, remembered so that later steps can check them."""

    services: Services
    email: str = field(default_factory=lambda: f"ada-{secrets.token_hex(4)}@example.com")
    sku: str = field(default_factory=lambda: f"tea-{secrets.token_hex(4)}")
    kept: dict[str, tuple[str, str]] = field(default_factory=dict)

    def sign_in(self) -> str:
        """An access token."""
        body = {"login": self.email, "password": PASSWORD}
        token: str = self.services.expect(200, "auth", "POST /v1/auth/login", body=body)["access_token"]
        return token

    def begin(self, stack: Stack) -> None:
        """Make an account, grant it `admin` by the operator's command, and add a lobby, an order and a video."""
        account = {"email": self.email, "username": self.email.partition("@")[0], "password": PASSWORD}
        self.services.expect(201, "auth", "POST /v1/auth/register", body=account)
        stack.operator("auth", "grant", self.email, "admin")
        product = {"sku": self.sku, "name": "Tea", "unit_price": "40.28", "currency": "usd"}
        self.services.expect(201, "payment", "POST /v1/products", body=product, token=self.sign_in())
        self.add()

    def add(self) -> None:
        """Add one more lobby, order and video."""
        token = self.sign_in()
        for service in THINGS:
            status, body = self._make(service, token)
            if status != 201:
                raise DrillFailed(f"{service}: {status} instead of 201: {body}")

    def add_during(self, event: Callable[[], None]) -> Counter[int]:
        """Add rows of each kind until `event` is over; the number of answers by status."""
        token, over = self.sign_in(), threading.Event()

        def write(service: str) -> Counter[int]:
            told = Counter[int]()
            while not over.wait(PAUSE_SECONDS):
                told[self._make(service, token)[0]] += 1
            return told

        with ThreadPoolExecutor(WRITERS * len(THINGS)) as pool:
            writers = [pool.submit(write, service) for service in THINGS for _ in range(WRITERS)]
            try:
                event()
            finally:
                over.set()
            return sum((writer.result() for writer in writers), Counter[int]())

    def _make(self, service: str, token: str) -> tuple[int, Any]:
        """Create a lobby, an order or a video, and remember it on success."""
        path, describe = THINGS[service]
        mark = secrets.token_hex(4)
        headers = {"Idempotency-Key": mark} if service == "payment" else None
        status, body = self.services.call(
            service, f"POST {path}", body=describe(self, mark), token=token, headers=headers
        )
        if status == 201:
            self.kept[f"{path}/{body['id']}"] = (service, json.dumps(body, sort_keys=True))
        return status, body

    def check(self) -> int:
        """Check that everything remembered is there unchanged; how many rows that is. Raises DrillFailed."""
        token = self.sign_in()
        for path, (service, before) in self.kept.items():
            now = json.dumps(self.services.expect(200, service, f"GET {path}", token=token), sort_keys=True)
            if now != before:
                raise DrillFailed(f"{service} {path} was {before} and is {now}")
        return len(self.kept)


def _lobby(_story: Story, mark: str) -> dict[str, Any]:
    return {"name": f"Friday {mark}", "max_players": 8}


def _order(story: Story, _mark: str) -> dict[str, Any]:
    return {"items": [{"sku": story.sku, "quantity": 2}]}


def _video(_story: Story, mark: str) -> dict[str, Any]:
    return {
        "file_path": f"/films/{mark}.mp4",
        "file_name": f"{mark}.mp4",
        "file_size": 7_340_032,
        "mime_type": "video/mp4",
        "duration_seconds": 61,
    }


THINGS = {
    "l2p": ("/v1/lobbies", _lobby),
    "payment": ("/v1/orders", _order),
    "videovault": ("/v1/videos", _video),
}
"""Path and body for creating a row at each service."""
