"""`quartet up`, `down`, `ps`, `logs`: the embedded stack."""

import os
from typing import Annotated, Any

import typer

from quartet.cli.output import JsonOption, Service, load_checked_settings, print_json, print_table
from quartet.settings import load_settings
from quartet.stack.console import Console
from quartet.stack.control import read_processes, start_detached, stop_running
from quartet.stack.follow import show_logs
from quartet.stack.supervisor import Supervisor


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once all are ready; `quartet down` stops them.")
    ] = False,
    without_logs: Annotated[
        bool, typer.Option("--without-logs", help="Do not print the services' logs.")
    ] = False,
) -> None:
    """Start PostgreSQL and the four services, and keep them running.

    The first time it creates the database cluster, generates passwords, and creates roles, databases and tables, all
    in the folder QUARTET_HOME (.quartet). Each log line is shown with its service's name in front. A service that ends is
    restarted. Ctrl-C stops everything and keeps all committed data. With QUARTET_REPLICAS=2 each service has two processes
    behind its port, so that one answers while the other is restarted. Without STRIPE_SECRET_KEY a stand-in for Stripe runs
    beside them, outside of production.

    Example: quartet up --detach && quartet health

    Exit codes: 0 stopped as asked · 2 unknown setting · 3 port taken · 4 data of another PostgreSQL version · 5 no
    permission · 6 wrong password · 7 already running · 8 disk full · 9 no PostgreSQL · 10 PostgreSQL does not start ·
    11 migration failed · 12 a service does not start
    """
    settings = load_checked_settings()
    settings.prepare_home()
    if detach:
        start_detached(settings.home, say=typer.echo)
        return
    console = Console(own_lines_only=without_logs)
    Supervisor(settings, environment=os.environ, console=console).run()


def down() -> None:
    """Stop the running stack: services first, PostgreSQL last. All committed data is kept.

    Example: quartet down

    Exit codes: 0 stopped, or nothing ran · 5 no permission · 10 the stack does not stop
    """
    settings = load_settings(check=False)
    typer.echo("stopped" if stop_running(settings) else "nothing was running")


def ps(*, as_json: JsonOption = False) -> None:
    """Show each process: the supervisor's state, what `/readyz` says now, process id, address, restarts.

    With --json also the process's own URL, on which only that process answers, for example with its own `/metrics`.

    Example: quartet ps --json

    Exit codes: 0 the stack runs · 1 it does not
    """
    processes = read_processes(load_settings(check=False).home)
    if as_json:
        print_json(processes)
    elif processes["state"] == "stopped":
        typer.echo("nothing runs: `quartet up` starts everything")
    else:
        print_table(("NAME", "STATE", "READINESS", "PROCESS", "ADDRESS", "RESTARTS"), _rows(processes))
    if processes["state"] == "stopped":
        raise typer.Exit(1)


def logs(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Of which: {', '.join(Service)}, one process (auth.2), postgres. Default: all.",
            show_default=False,
        ),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Show the services' logs, or follow them. Those of the last run stay until the next start.

    Example: quartet logs -f auth

    Exit codes: 0 · 13 there is no such log
    """
    show_logs(load_settings(check=False).home, names or [], follow=follow, lines=lines, console=Console())


def _rows(processes: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("quartet", processes["state"], "", str(processes["pid"]), "", "")]
    if postgres := processes.get("postgres"):
        state = "ready" if postgres["pid"] else "stopped"
        address = f"127.0.0.1:{postgres['port']}"
        rows.append(("postgres", state, "", str(postgres["pid"] or ""), address, ""))
    for name, service in processes["services"].items():
        process, restarts = str(service["pid"] or ""), str(service["restarts"])
        rows.append((name, service["state"], service["readiness"], process, service["url"], restarts))
    return rows
