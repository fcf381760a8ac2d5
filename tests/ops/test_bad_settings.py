"""Wrong settings, wrong use and an early interrupt: one clear line and an exit code of its own, before anything runs."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import quartet
from quartet.errors import Failure
from tests.ops.command import Workplace, assert_refused

pytestmark = pytest.mark.database


def test_exit_codes_are_distinct() -> None:
    # A service's own failures may keep the common code.
    codes = [kind.exit_code for kind in Failure.__subclasses__() if "exit_code" in vars(kind)]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes
    assert Failure.exit_code not in codes


def test_taken_port_is_found_before_anything_starts_and_its_holder_named(place: Workplace) -> None:
    with socket.create_server(("127.0.0.1", place.ports["l2p"])):
        done = place.quartet("up")
    assert_refused(
        done, exit_code=3, says=[f"port {place.ports['l2p']} for l2p is taken", str(os.getpid()), "L2P_PORT"]
    )
    assert not (place.home / "postgres").exists()
    assert not (place.home / "secrets.env").exists()


def test_one_port_for_two_services_is_told(place: Workplace) -> None:
    done = place.call("up", L2P_PORT=str(place.ports["auth"]))
    assert_refused(done, exit_code=3, says=["is set for auth and for l2p", "L2P_PORT"])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("QUARTET_XYZZY", "1", "quartet config"),
        ("QUARTET_REPLICSA", "2", "did you mean QUARTET_REPLICAS?"),
        ("L2P_PORT", "http", "a whole number"),
        ("POSTGRES_PORT", "70000", "a whole number from 1 to 65535"),
        ("AUTH_DB_PASSWORD_FILE", "/nowhere", "cannot be read"),
        ("LOG_LEVEL", "loud", "debug"),
        ("QUARTET_ENV", "staging", "production"),
        ("DB_POOL_MIN", "many", "DB_POOL_MIN"),
        ("AUTH_SECRET", "short", "32 characters"),
    ],
)
def test_wrong_setting_is_told_with_the_likely_right_one(
    place: Workplace, name: str, value: str, says: str
) -> None:
    done = place.call("up", **{name: value})
    assert_refused(done, exit_code=2, says=[name, says])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("AUTH_PROT", "did you mean AUTH_PORT?"),
        ("DB_POOL_MAXIMUM", "DB_POOL_MAX"),
        ("AUTH_TOKEN", "`quartet config` lists"),
    ],
)
def test_unknown_name_in_the_file_stops_the_start(place: Workplace, name: str, says: str) -> None:
    (place.folder / ".env").write_text(f"{name}=1\n")
    assert_refused(place.call("up"), exit_code=2, says=[name, says])


def test_setting_of_another_program_in_the_environment_stops_nothing(place: Workplace) -> None:
    done = place.call("config", AUTH_TOKEN="x", L2P_URL="y", PAYMENT_KEY="z")
    assert (done.returncode, done.stderr) == (0, "")


def test_misspelt_setting_in_the_environment_is_told_and_stops_nothing(place: Workplace) -> None:
    done = place.call("config", AUTH_PROT="5500")
    assert done.returncode == 0
    assert done.stderr == "AUTH_PROT is no setting and has no effect: did you mean AUTH_PORT?\n"


def test_unknown_name_in_the_file_is_told_and_other_programs_names_are_not(place: Workplace) -> None:
    (place.folder / ".env").write_text("COMPOSE_PROJECT_NAME=x\nTZ=UTC\nLOG_LEVLE=debug\n")
    assert_refused(place.quartet("up"), exit_code=2, says=["LOG_LEVLE", "did you mean LOG_LEVEL?"])


@pytest.mark.parametrize("line", ["LOG_LEVEL", "this is no setting", "A B=1", "LOG_LEVEL='info"])
def test_line_of_the_file_that_is_no_setting_is_told_with_its_number(place: Workplace, line: str) -> None:
    (place.folder / ".env").write_text(f"# a comment\n\nTZ=UTC\n{line}\n")
    assert_refused(place.call("up"), exit_code=2, says=[".env, line 4", "NAME=value"])


def test_interrupt_at_any_time_of_the_start_leaves_no_traceback(place: Workplace) -> None:
    for delay in (0.05, 0.1, 0.2, 0.3, 0.5):
        with subprocess.Popen(
            [sys.executable, "-m", "quartet", "ps"],
            cwd=place.folder,
            env=place.environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=delay)  # the moments are the matter of this test
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
        # A traceback of Python's own start names no file of ours, though the checkout may lie in a folder named quartet.
        assert str(Path(quartet.__file__).parent) not in told, told


_INTERRUPTED_IMPORT = """
import runpy, sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "signal":
            raise KeyboardInterrupt
del sys.modules["signal"]
sys.meta_path.insert(0, Interrupted())
runpy.run_module("quartet", run_name="__main__")
"""


def test_interrupt_during_the_first_imports_leaves_no_traceback() -> None:
    command = [sys.executable, "-c", f"import signal{_INTERRUPTED_IMPORT}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            "db shell auth --role king",
            "invalid value for '--role': 'king' is not one of 'user', 'owner', 'admin'",
        ),
        ("db shell", "missing argument 'service'. Choose from: auth, l2p, payment, videovault"),
        ("db migrate nosuch", "invalid value for 'services': 'nosuch' is not one of 'auth', 'l2p'"),
        ("logs -n few", "invalid value for '--lines' / '-n': Input should be a valid integer"),
        ("up --nope", "no such option: --nope"),
        ("dbb", "no such command 'dbb'. Did you mean 'db'?"),
    ],
)
def test_wrong_use_is_told_in_a_plain_line(place: Workplace, command: str, says: str) -> None:
    done = place.call(*command.split())
    assert_refused(done, exit_code=2, says=[f"quartet: {says}", "--help` shows what it takes"])


def test_group_without_a_command_shows_its_help(place: Workplace) -> None:
    done = place.quartet("db")
    assert (done.returncode, done.stderr) == (2, "")
    assert "migrate" in done.stdout


PRODUCTION = {
    "QUARTET_ENV": "production",
    "AUTH_SMTP_HOST": "127.0.0.1",
    "AUTH_ISSUER": "https://auth.example.com",
    "L2P_ISSUER": "https://quiz.example.com",
    "STRIPE_SECRET_KEY": "sk_live_0123456789",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_0123456789",
    "STRIPE_WEBHOOK_SECRETS": "whsec_0123456789",
}
"""What production wants before anything else is looked at."""


@pytest.mark.parametrize("password", ["password", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"])
def test_production_refuses_a_weak_password(place: Workplace, password: str) -> None:
    done = place.call("up", **PRODUCTION, AUTH_DB_PASSWORD=password)
    assert_refused(done, exit_code=2, says=["AUTH_DB_PASSWORD", "too weak for production"])


@pytest.mark.parametrize("issuer", ["http://auth.example.com", "http://localhost:5500", ""])
def test_production_refuses_an_issuer_that_is_not_https(place: Workplace, issuer: str) -> None:
    done = place.call("up", **PRODUCTION | {"AUTH_ISSUER": issuer})
    assert_refused(done, exit_code=2, says=["AUTH_ISSUER", "production needs https"])


def test_production_refuses_a_password_that_is_used_twice(place: Workplace) -> None:
    shared = "Nine-Lives-Of-A-Cat-7351"
    done = place.call("up", **PRODUCTION, AUTH_DB_PASSWORD=shared, L2P_DB_PASSWORD=shared)
    assert_refused(done, exit_code=2, says=["AUTH_DB_PASSWORD", "L2P_DB_PASSWORD", "the same"])
