"""`quartet up` and the commands that act on the running stack, tried as an operator would."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from quartet.processes import is_alive
from quartet.provision.plan import SERVICES
from tests.ops.command import RunningStack, Workplace, status_of, wait_until, workplace

pytestmark = pytest.mark.database
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    """One state folder for the whole module."""
    with workplace() as made:
        yield made


@pytest.fixture(scope="module")
def stack(place: Workplace) -> Iterator[RunningStack]:
    """One running stack for the tests that leave it running."""
    with place.up() as running:
        yield running


def register(place: Workplace, name: str) -> str:
    """An account's id, made through Auth."""
    body = {"email": f"{name}@example.com", "username": name, "password": PASSWORD}
    answer = httpx.post(place.url("auth", "/v1/auth/register"), json=body, timeout=10)
    return str(answer.json()["user"]["id"])


def test_all_four_services_are_ready_and_announced(stack: RunningStack, place: Workplace) -> None:
    assert {service: status_of(place.url(service, "/readyz")) for service in SERVICES} == dict.fromkeys(
        SERVICES, 200
    )
    for service in SERVICES:
        assert f"http://localhost:{place.ports[service]}" in stack.output
    assert "all four services are ready" in stack.output


def test_the_doctor_finds_nothing_wrong_but_that_there_is_no_backup(
    stack: RunningStack, place: Workplace
) -> None:
    found = place.call_json("doctor")
    failed = [finding for finding in found["findings"] if finding["severity"] == "failure"]
    assert (failed, found["checks"]["services"], found["checks"]["migrations"]) == ([], "pass", "pass")
    assert "skipped" not in found["checks"].values()
    assert found["checks"]["backups"] == "warn"


def test_output_has_the_services_name_in_front_and_no_colour_in_a_pipe(stack: RunningStack) -> None:
    assert re.search(r"^auth +\| ", stack.output, re.MULTILINE)
    assert "\x1b[" not in stack.output


def test_services_know_their_own_secrets_only(stack: RunningStack, place: Workplace) -> None:
    secrets = dict(
        line.split("=", 1)
        for line in (place.home / "secrets.env").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert len(secrets) == 14
    for service, each in stack.state["services"].items():
        told = Path(f"/proc/{each['pid']}/environ").read_text()
        known = {name for name, value in secrets.items() if value in told}
        assert known == {f"{service.upper()}_SECRET"}
        (file,) = re.findall(rf"{service.upper()}_DB_PASSWORD_FILE=([^\0]+)", told)
        assert Path(file).read_text() == secrets[f"{service.upper()}_DB_PASSWORD"]


def test_secrets_can_be_read_by_their_owner_only(stack: RunningStack, place: Workplace) -> None:
    assert (place.home / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert {(place.home / name).stat().st_mode & 0o777 for name in ("logs", "passwords")} == {0o700}
    assert {file.stat().st_mode & 0o777 for file in (place.home / "passwords").iterdir()} == {0o600}


def test_no_process_shows_a_password_in_its_arguments(stack: RunningStack, place: Workplace) -> None:
    secret = place.call("config", "get", "AUTH_DB_PASSWORD").stdout.strip()
    assert len(secret) >= 32
    for pid in stack.pids():
        assert secret not in Path(f"/proc/{pid}/cmdline").read_text()


def test_ps_shows_every_process(stack: RunningStack, place: Workplace) -> None:
    shown = place.quartet_json("ps")
    assert {name: each["state"] for name, each in shown["services"].items()} == dict.fromkeys(
        SERVICES, "ready"
    )
    table = place.quartet("ps")
    assert table.returncode == 0
    for pid in stack.pids():
        assert str(pid) in table.stdout


def test_ps_asks_each_service_whether_it_is_ready_now(stack: RunningStack, place: Workplace) -> None:
    stopped = stack.state["services"]["payment"]["pid"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        shown = place.call_json("ps")["services"]
    finally:
        os.kill(stopped, signal.SIGCONT)
    expected = dict.fromkeys(SERVICES, "ready") | {"payment": "no answer"}
    assert {name: each["readiness"] for name, each in shown.items()} == expected
    assert shown["payment"]["state"] == "ready", "the supervisor saw nothing"
    row = next(line for line in place.call("ps").stdout.splitlines() if line.startswith("payment"))
    assert row.split()[1:3] == ["ready", "ready"]


def readiness_in(place: Workplace) -> set[str]:
    """What `quartet ps` says of the services, each answer once."""
    return {each["readiness"] for each in place.call_json("ps")["services"].values()}


def test_ps_tells_a_service_that_is_not_ready(stack: RunningStack, place: Workplace) -> None:
    server = stack.state["postgres"]["pid"]
    os.kill(server, signal.SIGSTOP)  # it takes no new connection from here on
    children = [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    try:
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: readiness_in(place) == {"not ready"}, seconds=30)
    finally:
        for pid in (*children, server):
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: all(status_of(place.url(service, "/readyz")) == 200 for service in SERVICES))


def test_config_shows_where_the_embedded_server_is(stack: RunningStack, place: Workplace) -> None:
    port = str(stack.state["postgres"]["port"])
    shown = place.call_json("config")
    assert shown["POSTGRES_PORT"] == {"value": port, "source": "embedded server"}
    assert place.call("config", "get", "POSTGRES_PORT").stdout == f"{port}\n"


def test_health_is_a_table_and_an_exit_code(stack: RunningStack, place: Workplace) -> None:
    done = place.call("health")
    assert done.returncode == 0, done.stdout
    reports = place.call_json("health")
    assert {name: each["status"] for name, each in reports.items()} == dict.fromkeys(
        ("postgres", *SERVICES), "pass"
    )
    assert reports["auth"]["report"]["checks"]["pool"]["max"] == 10


def test_schema_is_current_and_status_says_so(stack: RunningStack, place: Workplace) -> None:
    done = place.quartet("db", "status", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert list(found) == list(SERVICES)
    for schema in found.values():
        assert schema["current"] == schema["head"]
        assert (schema["pending"], schema["drift"]) == ([], [])


def test_migrating_an_up_to_date_stack_changes_nothing(stack: RunningStack, place: Workplace) -> None:
    done = place.call("db", "migrate", "l2p", "auth")
    assert (done.returncode, done.stdout) == (0, "auth: up to date\nl2p: up to date\n")


@pytest.mark.parametrize("role", ["user", "owner", "admin"])
async def test_printed_url_lets_that_role_in(stack: RunningStack, place: Workplace, role: str) -> None:
    done = place.quartet("dsn", "payment", "--role", role)
    assert re.fullmatch(
        rf"postgresql://\w+:[^@]+@127\.0\.0\.1:{stack.state['postgres']['port']}/payment_db\n", done.stdout
    )
    asked = place.quartet("db", "shell", "payment", "--role", role)
    assert asked.returncode == 0, asked.stderr


def test_second_up_on_the_same_folder_is_refused(stack: RunningStack, place: Workplace) -> None:
    for arguments in (["up"], ["up", "--detach"]):
        done = place.quartet(*arguments)
        assert done.returncode == 7
        assert len(done.stderr.splitlines()) == 1
        assert f"process {stack.process.pid}" in done.stderr
        assert "quartet down" in done.stderr
    assert stack.process.poll() is None


def test_role_is_granted_and_taken_away(stack: RunningStack, place: Workplace) -> None:
    register(place, "grace")
    granted = place.call("auth", "grant", "GRACE@example.com", "admin")
    assert (granted.returncode, granted.stdout.strip().split(": ")[1]) == (0, "user, admin")
    assert granted.stderr.splitlines() == [
        "quartet: GRACE@example.com has not confirmed its address: make sure that the account is theirs"
    ]
    again = place.call("auth", "grant", "grace@example.com", "admin")
    assert again.stdout.split(": ")[1] == granted.stdout.split(": ")[1]
    taken = place.call("auth", "grant", "grace@example.com", "admin", "--revoke")
    assert (taken.stdout, taken.stderr) == ("grace@example.com: user\n", "")
    unknown = place.call("auth", "grant", "nobody@example.com", "admin")
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (13, 1)
    assert "nobody@example.com" in unknown.stderr


def test_logs_are_kept_on_disk_and_shown(stack: RunningStack, place: Workplace) -> None:
    done = place.call("logs", "auth", "--lines", "1000")
    assert done.returncode == 0
    assert "startup complete" in done.stdout
    assert all(line.startswith("auth") for line in done.stdout.splitlines())
    assert "ready to accept connections" in place.call("logs", "postgres").stdout
    assert place.call("logs", "nonsense").returncode == 13


def test_service_that_is_killed_is_restarted(stack: RunningStack, place: Workplace) -> None:
    before = stack.state["services"]["videovault"]["pid"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: stack.state["services"]["videovault"]["restarts"] == 1)
    wait_until(lambda: stack.state["services"]["videovault"]["state"] == "ready")
    assert stack.state["services"]["videovault"]["pid"] != before
    assert status_of(place.url("videovault", "/readyz")) == 200
    assert re.search(r"videovault ended \(SIGKILL\); restart in 0\.5 s", stack.output)


def test_database_that_is_killed_is_restarted_on_its_port(stack: RunningStack, place: Workplace) -> None:
    before = stack.state["postgres"]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: stack.state["postgres"]["pid"] not in (before["pid"], None))
    assert stack.state["postgres"]["port"] == before["port"]
    wait_until(
        lambda: all(status_of(place.url(service, "/readyz")) == 200 for service in SERVICES), seconds=20
    )
    assert {each["restarts"] for name, each in stack.state["services"].items() if name != "videovault"} == {0}


def test_rotated_password_is_taken_over_by_provisioning(stack: RunningStack, place: Workplace) -> None:
    rotated = place.call("provision", L2P_DB_OWNER_PASSWORD="x" * 8 + "-another-password")
    assert "role l2p_owner: password rotated" in rotated.stdout
    assert place.call("provision").stdout.count("rotated") == 1
    assert "rotated" not in place.call("provision").stdout


@pytest.mark.long
def test_a_service_that_does_not_get_ready_says_why() -> None:
    with (
        workplace(AUTH_DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/auth_db") as place,
        place.up(until=lambda stack: "auth is not ready yet: postgres: connection refused" in stack.output),
    ):
        assert place.quartet_json("ps")["services"]["l2p"]["state"] == "ready"


@pytest.mark.long
class TestLifeOfAStack:
    """From kill to kill on one folder, in this order."""

    def test_kill_nine_of_the_supervisor_leaves_nothing_running_and_loses_no_row(self) -> None:
        with workplace() as place:
            with place.up() as stack:
                kept = register(place, "ada")
                pids = stack.pids()
                stack.process.kill()
                stack.process.wait()
                wait_until(lambda: not any(is_alive(pid) for pid in pids))
            assert place.quartet("ps").returncode == 1
            with place.up(SHUTDOWN_DRAIN_SECONDS="30") as stack:
                assert kept == self._id_of(place, "ada")
                self._assert_second_interrupt_ends_it_at_once(stack)
            detached = place.quartet("up", "--detach")
            assert detached.returncode == 0, detached.stderr
            assert kept == self._id_of(place, "ada")
            down = place.quartet("down")
            assert (down.returncode, down.stdout) == (0, "stopped\n")
            assert "shut down" in (place.home / "postgres/server.log").read_text().splitlines()[-1]
            assert place.quartet("down").stdout == "nothing was running\n"
            self._assert_commands_say_that_it_is_stopped(place)

    @staticmethod
    def _assert_second_interrupt_ends_it_at_once(stack: RunningStack) -> None:
        pids = stack.pids()
        stack.process.send_signal(signal.SIGINT)
        wait_until(lambda: "stopping" in stack.output)
        assert stack.process.poll() is None
        beginning = time.monotonic()
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(timeout=20) == 0
        assert time.monotonic() - beginning < 10
        assert not any(is_alive(pid) for pid in pids)
        assert "Traceback" not in stack.output

    @staticmethod
    def _assert_commands_say_that_it_is_stopped(place: Workplace) -> None:
        for arguments in (["db", "status"], ["db", "status", "auth", "--json"], ["db", "shell", "auth"]):
            done = place.quartet(*arguments)
            assert (done.returncode, done.stdout) == (1, "")
            assert len(done.stderr.splitlines()) == 1
            assert "is stopped" in done.stderr
            assert "`quartet up`" in done.stderr

    @staticmethod
    def _id_of(place: Workplace, name: str) -> str:
        body = {"login": name, "password": PASSWORD}
        answer = httpx.post(place.url("auth", "/v1/auth/login"), json=body, timeout=10)
        return str(answer.json()["user"]["id"])
