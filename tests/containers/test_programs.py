"""The two small programs that go into the images, run as a container runs them."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from quartet.container_secrets import write_container_secrets
from quartet.settings.operator import GENERATED
from tests.containers.engine import ROOT

PROGRAMS = ROOT / "deploy/container"
AWKWARD = "p@ss:/w%rd?#[]é $HOME \\ '\" "


def run(program: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-IS", str(PROGRAMS / program), *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def keep_given(folder: Path, **given: str) -> dict[str, str]:
    """Run what the one-shot container runs; the content of all files."""
    done = run("keep_given_secrets.py", str(folder), **given)
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(value in done.stdout for value in given.values() if value)
    write_container_secrets(folder)
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def consumers(folder: Path) -> Path:
    """The folders that the volumes create."""
    for name in ("postgres", "migrate", "backup", "grafana", "auth", "l2p", "payment", "videovault"):
        folder.joinpath(name).mkdir()
    return folder


def test_every_secret_that_is_given_reaches_all_who_use_it(tmp_path: Path) -> None:
    given = {name: f"{name} {AWKWARD}" for name in (*GENERATED, "GRAFANA_ADMIN_PASSWORD")}
    found = keep_given(consumers(tmp_path), **given)
    assert sorted(set(found.values())) == sorted(given.values())
    assert found["postgres/postgres_password"] == found["migrate/postgres_password"]
    assert found["backup/db_password"] == found["migrate/backup_db_password"] == given["BACKUP_DB_PASSWORD"]
    assert found["grafana/admin_password"] == given["GRAFANA_ADMIN_PASSWORD"]
    for service in ("auth", "l2p", "payment", "videovault"):
        prefix = service.upper()
        assert found[f"{service}/secret"] == given[f"{prefix}_SECRET"]
        assert found[f"{service}/db_password"] == given[f"{prefix}_DB_PASSWORD"]
        assert found[f"migrate/{service}_db_password"] == given[f"{prefix}_DB_PASSWORD"]
        assert found[f"migrate/{service}_db_owner_password"] == given[f"{prefix}_DB_OWNER_PASSWORD"]


def test_a_secret_that_is_not_given_is_generated_once_and_stays(tmp_path: Path) -> None:
    first = keep_given(consumers(tmp_path), AUTH_DB_PASSWORD="", L2P_SECRET="an own one")
    again = keep_given(tmp_path)
    assert again == first
    assert first["l2p/secret"] == "an own one"
    assert len(first["auth/db_password"]) >= 32


def test_a_changed_password_replaces_the_one_before_and_no_other(tmp_path: Path) -> None:
    first = keep_given(consumers(tmp_path))
    later = keep_given(tmp_path, PAYMENT_DB_PASSWORD="another one")
    changed = {place for place in later if later[place] != first[place]}
    assert changed == {"payment/db_password", "migrate/payment_db_password"}


def test_a_given_secret_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    keep_given(consumers(tmp_path), AUTH_SECRET="x" * 32)
    assert tmp_path.joinpath("auth/secret").stat().st_mode & 0o777 == 0o400


def test_a_changed_superusers_password_leaves_the_former_ones_to_its_rotation(tmp_path: Path) -> None:
    first = keep_given(consumers(tmp_path))
    keep_given(tmp_path, POSTGRES_PASSWORD="second")
    last = keep_given(tmp_path, POSTGRES_PASSWORD="third")
    assert last["postgres/postgres_password"] == last["migrate/postgres_password"] == "third"
    former = json.loads(last["migrate/postgres_password.before"])
    assert former == [first["migrate/postgres_password"], "second"]
    assert tmp_path.joinpath("migrate/postgres_password.before").stat().st_mode & 0o777 == 0o400


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A port that answers every request with this status."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_health_is_the_status_of_the_route() -> None:
    codes = {}
    for status in (200, 503, 500):
        with answering(status) as port:
            codes[status] = run("ask_health.py", "/readyz", SERVICE="auth", AUTH_PORT=str(port)).returncode
    assert codes == {200: 0, 503: 1, 500: 1}


def test_a_port_where_nobody_answers_is_not_healthy() -> None:
    with answering(200) as port:
        pass
    done = run("ask_health.py", "/livez", SERVICE="auth", AUTH_PORT=str(port))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
