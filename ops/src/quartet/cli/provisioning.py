"""`quartet provision` and `quartet secrets init`, which a container stack runs once."""

from pathlib import Path
from typing import Annotated

import typer

from quartet.cli.lazy import Entry, lazy_group
from quartet.cli.output import load_checked_settings
from quartet.container_secrets import write_container_secrets
from quartet.readiness import ensure_server_runs
from quartet.stack.password_files import write_password_files
from quartet.stack.startup import prepare_databases, wait_for_server

group = lazy_group(
    {
        "init": Entry(
            "quartet.cli.provisioning:init_secrets", "Generate missing secrets, a folder for each consumer."
        )
    },
    help="Generate the secrets of a container stack.",
)


def provision_server(
    *,
    wait: Annotated[
        float,
        typer.Option("--wait", min=0, help="Seconds to wait for the server of POSTGRES_HOST to answer."),
    ] = 60.0,
) -> None:
    """Create or repair roles, databases, grants and limits, then apply the pending migrations.

    Works on the server of POSTGRES_HOST and POSTGRES_PORT with POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE), else on
    the embedded one of a running stack. Run again it repairs and reports drift; a password that was changed in
    the environment or `.env` is rotated. The services of `quartet up` take the new one without a restart. So do others that
    have theirs from a file (AUTH_DB_PASSWORD_FILE), if it stands there before this command runs; what has it in its
    environment keeps its open connections, and needs a restart, as `quartet backup run` does.

    Example: POSTGRES_HOST=shared-postgres POSTGRES_PASSWORD_FILE=/run/secrets/postgres quartet provision

    Exit codes: 0 · 2 a setting is wrong or missing · 6 wrong password · 10 no server answers · 11 a migration failed
    """
    settings = load_checked_settings()
    server = settings.server()
    ensure_server_runs(settings)
    wait_for_server(server, seconds=wait)
    if "POSTGRES_HOST" not in settings.explicit:
        write_password_files(settings)
    prepare_databases(settings, server, say=typer.echo)
    typer.echo("roles, databases and schema are as planned")


def init_secrets(
    folder: Annotated[Path, typer.Argument(help="Where the folders are made.", show_default=False)],
    *,
    service_uid: Annotated[
        int | None, typer.Option("--service-uid", min=0, help="The user that services and migrations run as.")
    ] = None,
    postgres_uid: Annotated[
        int | None, typer.Option("--postgres-uid", min=0, help="The user that PostgreSQL runs as.")
    ] = None,
    grafana_uid: Annotated[
        int | None, typer.Option("--grafana-uid", min=0, help="The user that Grafana runs as.")
    ] = None,
) -> None:
    """Generate the secrets that are missing: a folder for each consumer, with no secrets of the others.

    postgres/postgres_password; migrate/ with all database passwords; auth/, l2p/, payment/ and videovault/ with
    secret and db_password; grafana/admin_password. Files have mode 0400. Existing ones stay as they are.

    Example: quartet secrets init /secrets --service-uid 10001 --postgres-uid 999

    Exit codes: 0 · 5 no permission · 8 disk full
    """
    made = write_container_secrets(
        folder, service_uid=service_uid, postgres_uid=postgres_uid, grafana_uid=grafana_uid
    )
    typer.echo(f"{made} secrets generated in {folder}" if made else f"{folder} has every secret already")
