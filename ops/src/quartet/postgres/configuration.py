"""The server's settings, written at each start from this version's defaults and the plan."""

from collections.abc import Mapping
from pathlib import Path

from quartet.postgres.binaries import Binaries

FILE_NAME = "quartet.conf"
INCLUDE_LINE = f"include = '{FILE_NAME}'"
LONGEST_SOCKET_PATH = 107  # sockaddr_un.sun_path holds 108 bytes with the closing zero


def server_settings(
    binaries: Binaries, *, port: int, max_connections: int, socket_folder: Path
) -> dict[str, str]:
    """Every setting that differs from PostgreSQL's default. There is no Unix socket if its path would be too long."""
    socket_path = socket_folder / f".s.PGSQL.{port}"
    fits = len(bytes(socket_path)) <= LONGEST_SOCKET_PATH
    return {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(socket_folder) if fits else "",
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": str(max_connections),
        "superuser_reserved_connections": "3",
        "shared_preload_libraries": (
            "pg_stat_statements" if binaries.has_library("pg_stat_statements") else ""
        ),
        # Of WAL that a backup has not received, so much is kept and not more: it does not fill the disk.
        "max_slot_wal_keep_size": "4GB",
        "archive_timeout": "60s",
        # These services run short statements: compiling them costs more than it saves.
        "jit": "off",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_lock_waits": "on",
        "log_min_duration_statement": "1s",
        "log_error_verbosity": "terse",  # DETAIL holds a refused row's values, which may be secrets
        "log_parameter_max_length": "0",  # parameters of slow statements may be secrets
    }


def write_settings(data_folder: Path, settings: Mapping[str, str]) -> None:
    """Write the settings into a file beside postgresql.conf, and include it there."""
    lines = ["# Written by `quartet` at each start. Own settings go into postgresql.conf, after the include."]
    lines += [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    data_folder.joinpath(FILE_NAME).write_text("\n".join(lines) + "\n")
    main = data_folder / "postgresql.conf"
    text = main.read_text()
    if INCLUDE_LINE not in text.splitlines():
        main.write_text(f"{text.rstrip()}\n\n{INCLUDE_LINE}\n")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
