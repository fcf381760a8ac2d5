"""The command `quartet`. It imports a module of commands only when one of its commands is called."""

import errno
import importlib
import signal
import sys
from typing import Any

import typer

from quartet.cli.lazy import Entry, lazy_group
from quartet.errors import DiskFull, Failure, NoPermission, WrongSettings

COMMANDS = lazy_group(
    {
        "up": Entry("quartet.cli.stack:up", "Start PostgreSQL and the four services, and keep them running."),
        "down": Entry("quartet.cli.stack:down", "Stop the running stack; all committed data is kept."),
        "ps": Entry("quartet.cli.stack:ps", "Show what runs, and whether it is ready now."),
        "logs": Entry("quartet.cli.stack:logs", "Show the services' logs, or follow them."),
        "health": Entry(
            "quartet.cli.inspect:health", "Check the health of the four services and the database."
        ),
        "doctor": Entry(
            "quartet.cli.doctor:doctor", "Examine the running system, and say how to fix what is found."
        ),
        "report": Entry(
            "quartet.cli.report:report", "Write an archive of the system's state for somebody who helps."
        ),
        "config": Entry("quartet.cli.config:config", "Show the settings in effect, secrets hidden."),
        "dsn": Entry("quartet.cli.inspect:dsn", "Print a database's connection URL."),
        "db": Entry("quartet.cli.database:group", "Migrations, a shell, and looks at the databases."),
        "studio": Entry("quartet.cli.studio:studio", "Show a database's rows on a web page of this machine."),
        "auth": Entry("auth.commands:group", "Accounts and signing keys."),
        "payment": Entry(
            "payment.commands:group", "The books, Stripe's events, and orders that wait for an admin."
        ),
        "videovault": Entry("videovault.commands:group", "Scans of the folders with films."),
        "provision": Entry(
            "quartet.cli.provisioning:provision_server", "Create or repair roles, databases and schema."
        ),
        "backup": Entry("quartet.cli.backup:group", "Make backups, list them, and dump single databases."),
        "restore": Entry(
            "quartet.cli.restore:restore", "Bring a service's database back from a backup or a dump."
        ),
        "secrets": Entry("quartet.cli.provisioning:group", "Generate the secrets of a container stack."),
    },
    help="""The operator's command of the Quartet suite.

    `quartet up` starts everything on this machine; the other commands inspect, change or stop it.
    Settings come from the environment and from `.env` in the current folder; `quartet config` lists them.

    Exit codes: 0 done · 1 not healthy, pending or not running · 2 wrong setting or usage · 3 port taken ·
    4 data of another PostgreSQL version · 5 no permission · 6 wrong password · 7 already running · 8 disk full ·
    9 no PostgreSQL found · 10 PostgreSQL does not start or answer · 11 migration failed · 12 a service does not
    start · 13 not found · 14 backup failed · 15 damaged backup or wrong key · 16 that time cannot be reached ·
    17 refused: it would destroy something, and was not told to.
    """,
)


def app() -> None:
    """Run the command line. A failure goes to stderr, a line for each fault, and decides the exit code."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(_run())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except RuntimeError as error:
        # Before Python 3.12 an interrupt while a class is created is wrapped in a RuntimeError.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        sys.exit(128 + signal.SIGINT)
    except Failure as failure:
        _end(failure)
    except BrokenPipeError:
        sys.exit(0)  # `quartet logs | head`
    except OSError as error:
        _end(_as_failure(error))


def _run() -> int | None:
    try:
        # In standalone mode Typer draws a box around each wrong argument.
        code: int | None = COMMANDS(standalone_mode=False, obj=_ServiceAccess())
    except typer.TyperException as error:
        raise _as_wrong_use(error) from None
    return code


class _ServiceAccess:
    """What the commands of services get as `context.obj`: `webcommon.commands.ServiceAccess`."""

    def __call__(self, service: str, work: Any) -> Any:
        return importlib.import_module("quartet.service_database").run_in_transaction(service, work)

    def settings(self, service: str) -> Any:
        return importlib.import_module("quartet.service_database").service_settings(service)


def _as_wrong_use(error: typer.TyperException) -> Failure:
    # Pydantic puts the kind of error in front of a validator's message.
    told = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    if not told:
        return WrongSettings()  # a group without a command: its help was printed
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "quartet"
    return WrongSettings(f"{told[0].lower()}{told[1:]}: `{command} --help` shows what it takes")


def _as_failure(error: OSError) -> Failure:
    place = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(
            f"the disk is full{place and ':' + place}: free some space, or set QUARTET_HOME to another disk"
        )
    if isinstance(error, PermissionError):
        return NoPermission(
            f"no permission for{place or ' this'}: fix its owner or mode, or set QUARTET_HOME"
        )
    return Failure(f"{error.strerror or error}{place and ':' + place}")


def _end(failure: Failure) -> None:
    for line in str(failure).splitlines():
        typer.echo(f"quartet: {line}", err=True)
    sys.exit(failure.exit_code)
