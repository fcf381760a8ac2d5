"""The database settings of a service, from its environment."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dbcommon.settings import (
    CONTAINER_HOST,
    DatabaseSettings,
    PoolSettings,
    is_configured,
    read_secret,
    read_url,
)
from dbcommon.settings_error import SettingsError

NASTY = "p@ss:/w%rd?#[]é "
SERVICES = ["auth", "l2p", "payment", "videovault"]


def says(name: str, call: Callable[[], Any]) -> str:
    """The one line that `call` is refused with, which names the variable and not the password."""
    with pytest.raises(SettingsError) as caught:
        call()
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    assert "canary" not in f"{message} {caught.value!r}"
    return message


@pytest.mark.parametrize("service", SERVICES)
def test_parts_make_the_url(service: str) -> None:
    prefix = service.upper()
    url = read_url(
        service,
        {
            "POSTGRES_HOST": "shared-postgres",
            "POSTGRES_PORT": "6432",
            f"{prefix}_DB_USER": NASTY,
            f"{prefix}_DB_PASSWORD": NASTY,
            f"{prefix}_DB_NAME": NASTY,
            f"{prefix}_DB_SCHEMA": "sales",
            f"{prefix}_DB_OPTIONS": "sslmode=require&application_name=a%26b",
        },
    )
    encoded = "p%40ss%3A%2Fw%25rd%3F%23%5B%5D%C3%A9%20"
    assert url.reveal() == (
        f"postgresql://{encoded}:{encoded}@shared-postgres:6432/{encoded}"
        "?schema=sales&sslmode=require&application_name=a%26b"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_names_follow_from_the_service(service: str) -> None:
    url = read_url(service, {"POSTGRES_HOST": "h", f"{service.upper()}_DB_PASSWORD": "p"})
    assert url.reveal() == f"postgresql://{service}_user:p@h:5432/{service}_db"


def test_a_complete_url_wins_over_every_part() -> None:
    environ = {
        "AUTH_DATABASE_URL": "postgres://u:p@elsewhere:1/d?schema=s",
        "POSTGRES_HOST": "h",
        "POSTGRES_PORT": "not a port",
        "AUTH_DB_USER": "x",
        "AUTH_DB_PASSWORD": "x",
        "AUTH_DB_PASSWORD_FILE": "/nowhere",
        "AUTH_DB_NAME": "x",
        "AUTH_DB_SCHEMA": "x",
        "AUTH_DB_OPTIONS": "nonsense",
    }
    assert read_url("auth", environ).reveal() == "postgresql://u:p@elsewhere:1/d?schema=s"


def test_one_services_url_is_not_anothers() -> None:
    environ = {"AUTH_DATABASE_URL": "postgresql://u:p@elsewhere/d", "POSTGRES_HOST": "h"}
    assert read_url("l2p", environ).hosts == (("h", 5432),)


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_url_names_its_variable(service: str) -> None:
    name = f"{service.upper()}_DATABASE_URL"
    says(f"{name}: ", lambda: read_url(service, {name: "mysql://u:canary@h/d"}))


def test_in_a_container_the_host_is_the_shared_server() -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert read_url("auth", environ).hosts == ((CONTAINER_HOST, 5432),)
    assert CONTAINER_HOST == "shared-postgres"


def test_outside_of_a_container_the_host_is_this_machine() -> None:
    in_container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    assert read_url("auth", {}).hosts == (("shared-postgres" if in_container else "localhost", 5432),)


@pytest.mark.parametrize("environ", [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}])
def test_an_explicit_host_always_wins(environ: dict[str, str]) -> None:
    assert read_url("auth", {**environ, "POSTGRES_HOST": "mine"}).hosts == (("mine", 5432),)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("::1", ["::1"]), ("one,two", ["one", "two"]), ("/var/run/postgresql", ["/var/run/postgresql"])],
)
def test_the_host_may_be_an_address_a_list_or_a_socket_folder(host: str, expected: list[str]) -> None:
    assert [name for name, _ in read_url("auth", {"POSTGRES_HOST": host}).hosts] == expected


@pytest.mark.parametrize("host", ["db:6432", "postgresql://u:canary@db/d", "a b", "a,,b"])
def test_a_host_that_is_none_names_its_variable(host: str) -> None:
    says("POSTGRES_HOST: ", lambda: read_url("auth", {"POSTGRES_HOST": host}))


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "5432 ", "9" * 5000, "٣"])
def test_a_port_that_is_none_names_its_variable(port: str) -> None:
    says("POSTGRES_PORT: ", lambda: read_url("auth", {"POSTGRES_PORT": port}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_DB_USER", "a\udcffb"),
        ("AUTH_DB_PASSWORD", "canary\udcff"),
        ("AUTH_DB_NAME", "a\udcffb"),
        ("AUTH_DB_SCHEMA", "1; DROP"),
        ("AUTH_DB_OPTIONS", "sslmod=require"),
        ("AUTH_DB_OPTIONS", "sslmode"),
        ("AUTH_DB_OPTIONS", "sslmode=maybe"),
        ("AUTH_DB_OPTIONS", "sslmode=disable&sslmode=require"),
        ("AUTH_DB_OPTIONS", "?sslmode=disable"),
    ],
)
def test_a_wrong_part_names_its_variable(name: str, value: str) -> None:
    says(f"{name}: ", lambda: read_url("auth", {name: value}))


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    names = (
        "DATABASE_URL",
        "DB_USER",
        "DB_PASSWORD",
        "DB_PASSWORD_FILE",
        "DB_NAME",
        "DB_SCHEMA",
        "DB_OPTIONS",
    )
    environ = {f"AUTH_{name}": "" for name in names} | {"POSTGRES_HOST": "", "POSTGRES_PORT": ""}
    environ |= {"DB_POOL_MIN": "", "DB_POOL_MAX": "", "DB_POOL_IDLE_SECONDS": "", "DB_POOL_WAIT_SECONDS": ""}
    assert DatabaseSettings.from_environment("auth", environ) == DatabaseSettings.from_environment("auth", {})


# Password files.


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_file_gives_the_password_without_its_line_end(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(f" {NASTY} {ending}".encode())
    assert read_url("auth", {"AUTH_DB_PASSWORD_FILE": str(file)}).password == f" {NASTY} "


def test_only_one_line_end_is_taken_off(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a\n\n")
    assert read_secret("X", {"X_FILE": str(file)}) == "a\n"


def test_a_password_given_twice_is_refused(tmp_path: Path) -> None:
    environ = {"AUTH_DB_PASSWORD": "canary", "AUTH_DB_PASSWORD_FILE": str(tmp_path / "password")}
    message = says("AUTH_DB_PASSWORD", lambda: read_url("auth", environ))
    assert "AUTH_DB_PASSWORD_FILE" in message


def test_a_password_file_that_cannot_be_used_names_its_variable(tmp_path: Path) -> None:
    binary, empty = tmp_path / "binary", tmp_path / "empty"
    binary.write_bytes(b"canary\xff\xfe")
    empty.write_text("\n")
    for path in (tmp_path / "missing", tmp_path, binary, empty):
        refused = partial(read_url, "auth", {"AUTH_DB_PASSWORD_FILE": str(path)})
        message = says("AUTH_DB_PASSWORD_FILE: ", refused)
        assert str(path) in message


# The pool.


def test_the_pool_has_the_four_numbers_unless_told_otherwise() -> None:
    pool = DatabaseSettings.from_environment("auth", {}).pool
    assert (pool.min, pool.max, pool.idle_seconds, pool.wait_seconds) == (2, 10, 30.0, 2.0)


def test_the_four_numbers_are_settings() -> None:
    environ = {
        "DB_POOL_MIN": "0",
        "DB_POOL_MAX": "7",
        "DB_POOL_IDLE_SECONDS": "0.5",
        "DB_POOL_WAIT_SECONDS": "1.5",
    }
    pool = DatabaseSettings.from_environment("auth", environ).pool
    assert pool == PoolSettings(min=0, max=7, idle_seconds=0.5, wait_seconds=1.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_POOL_MIN", "-1"),
        ("DB_POOL_MIN", "11"),
        ("DB_POOL_MIN", "two"),
        ("DB_POOL_MIN", "1.5"),
        ("DB_POOL_MAX", "0"),
        ("DB_POOL_MAX", "1"),
        ("DB_POOL_MAX", "1001"),
        ("DB_POOL_IDLE_SECONDS", "0"),
        ("DB_POOL_IDLE_SECONDS", "nan"),
        ("DB_POOL_WAIT_SECONDS", "61"),
        ("DB_POOL_WAIT_SECONDS", "inf"),
        ("DB_POOL_WAIT_SECONDS", "soon"),
    ],
)
def test_a_wrong_number_of_the_pool_names_its_variable(name: str, value: str) -> None:
    says(name, lambda: DatabaseSettings.from_environment("auth", {name: value}))


def test_each_wrong_number_of_the_pool_has_a_line() -> None:
    with pytest.raises(SettingsError) as caught:
        DatabaseSettings.from_environment("auth", {"DB_POOL_MIN": "x", "DB_POOL_MAX": "y"})
    assert [line.split(":")[0] for line in caught.value.lines] == ["DB_POOL_MIN", "DB_POOL_MAX"]


# What is configured, and what is shown.


@pytest.mark.parametrize("name", ["DATABASE_URL", "DB_PASSWORD", "DB_PASSWORD_FILE"])
def test_a_url_or_a_password_makes_a_database_configured(name: str) -> None:
    assert is_configured("videovault", {f"VIDEOVAULT_{name}": "x"})
    assert not is_configured("videovault", {f"VIDEOVAULT_{name}": "", "AUTH_DATABASE_URL": "x"})


def test_settings_are_printed_without_the_password() -> None:
    settings = DatabaseSettings.from_environment("auth", {"AUTH_DB_PASSWORD": "canary"})
    assert "canary" not in f"{settings} {settings!r}"
    assert "***" in repr(settings)
