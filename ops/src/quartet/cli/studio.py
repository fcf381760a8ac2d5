"""`quartet studio`."""

import asyncio
import contextlib
import secrets
from typing import Annotated

import typer

from quartet.cli.output import Service, load_checked_settings
from quartet.errors import Refused
from quartet.provision.plan import SERVICES
from quartet.readiness import ensure_answers
from quartet.studio import StudioDatabase, create_application, ensure_connects, listen, serve
from quartet.studio.gate import Gate


def studio(
    service: Annotated[
        Service | None, typer.Argument(help="Which service. Default: all, a menu apart.", show_default=False)
    ] = None,
    *,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    writes: Annotated[
        bool, typer.Option("--write", help="Also insert, change and delete rows. Refused in production.")
    ] = False,
) -> None:
    """Serve a web page to look at the rows of a service's database, until Ctrl-C.

    The page is on 127.0.0.1 alone. The printed URL works once: the browser that opens it gets a cookie, and nobody else gets
    in. From another machine: ssh -L 8700:127.0.0.1:8700 HOST, with --port 8700 here.

    It connects as the service's runtime role, so it sees and may do what the service does. Passwords, hashes, tokens and keys
    are never shown. A list counts and pages through the first 10,000 rows; filters lead to the others. A statement
    ends after 15 seconds.

    Without --write PostgreSQL itself refuses any change. With it a change passes by the rules of the service's code, while
    the database's constraints hold; what the role may not do is said on the page. In production it only reads: the service's
    own routes and commands change rows there, and `quartet db shell` is the way out.

    Example: quartet studio l2p --port 8700

    Exit codes: 0 ended by Ctrl-C · 1 the stack is stopped · 2 wrong setting or usage · 3 port taken · 5 no permission for the
    port · 6 wrong password · 10 no server answers · 13 no server was ever started · 17 --write in production
    """
    settings = load_checked_settings()
    if writes and settings.is_production:
        raise Refused(
            "QUARTET_ENV=production: rows are not changed by hand there; without --write it shows them"
        )
    server = settings.server()
    chosen = [service.value] if service else list(SERVICES)
    databases = [
        StudioDatabase(name, settings.database_url(name, server=server), writes=writes) for name in chosen
    ]
    ensure_answers(settings, [database.url for database in databases])
    asyncio.run(ensure_connects(databases))
    with listen(port) as listener, contextlib.suppress(KeyboardInterrupt):
        token, number = secrets.token_urlsafe(32), listener.getsockname()[1]
        application = Gate(
            create_application(databases, writes=writes), token=token, port=number, writes=writes
        )
        roles = ", ".join(database.url.user for database in databases)
        typer.echo(f"http://127.0.0.1:{number}/?token={token}")
        typer.echo(
            f"works once, in one browser; {'rows can be changed' if writes else 'read-only'}, as {roles};"
            " Ctrl-C ends it",
            err=True,
        )
        serve(application, listener)
