"""The programs of a stack, as a list of declarations."""

import socket
from collections.abc import Mapping

from quartet.processes import module_command
from quartet.provision.plan import SERVICES
from quartet.settings import OperatorSettings
from quartet.settings.operator import STRIPE_STANDIN, Server, reachable_host
from quartet.stack.password_files import with_password_file
from quartet.stack.program import Declaration

BACKUP = "backup"
"""The program that backs the databases up, as its log is called too."""

HELPERS = (BACKUP, STRIPE_STANDIN)
"""The programs that may run beside the services."""

WEBHOOKS = "/v1/webhooks/stripe"
"""Payment's route for Stripe's events."""


def helpers_of(settings: OperatorSettings) -> list[str]:
    """Those of the helpers that these settings want. Raises WrongSettings."""
    wanted = {BACKUP: settings.runs_backups, STRIPE_STANDIN: settings.runs_stripe_standin}
    return [name for name in HELPERS if wanted[name]]


def declare_programs(
    settings: OperatorSettings,
    *,
    server: Server,
    environment: Mapping[str, str],
    listeners: Mapping[str, socket.socket],
    colour: bool,
) -> list[Declaration]:
    """QUARTET_REPLICAS processes of each service, and the helpers that are wanted."""
    declared = [
        Declaration(
            name=name,
            service=service,
            url=public_url(*settings.host_and_port(service)),
            command=module_command(service),
            environment=_environment(
                service, settings, server=server, environment=environment, colour=colour
            ),
            listener=listeners[service],
            about=f"API: {public_url(*settings.host_and_port(service))}/docs",
        )
        for service in SERVICES
        for name in replica_names(service, settings.replicas)
    ]
    return declared + [
        _declare_helper(name, settings, environment=environment, listener=listeners[name])
        for name in helpers_of(settings)
    ]


def _declare_helper(
    name: str, settings: OperatorSettings, *, environment: Mapping[str, str], listener: socket.socket
) -> Declaration:
    url = public_url(*settings.host_and_port(name))
    if name == BACKUP:
        command = module_command("quartet", "backup", "run")
        about = f"metrics: {url}/metrics"
    else:
        _, port = settings.host_and_port(name)
        webhooks = f"{settings.local_url('payment')}{WEBHOOKS}"
        command = module_command("standins.stripe", f"--port={port}", f"--webhook-url={webhooks}")
        environment = settings.standin_environment(environment)
        about = f"no money moves: a stand-in for Stripe until STRIPE_SECRET_KEY is set; {url}/_control"
    return Declaration(
        name=name,
        service=name,
        url=url,
        command=command,
        environment=environment,
        listener=listener,
        about=about,
    )


def replica_names(service: str, replicas: int) -> list[str]:
    """`auth` where there is one process, `auth.1` and `auth.2` where there are two."""
    return [service] if replicas == 1 else [f"{service}.{number}" for number in range(1, replicas + 1)]


def public_url(host: str, port: int) -> str:
    """The URL of a listener, for a browser on this machine."""
    host = reachable_host(host)
    host = "localhost" if host in ("127.0.0.1", "::1") else host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _environment(
    service: str, settings: OperatorSettings, *, server: Server, environment: Mapping[str, str], colour: bool
) -> dict[str, str]:
    told = settings.service_environment(service, server=server, process=environment)
    told = with_password_file(told, service, settings.home)
    if told.get("LOG_FORMAT", "auto") == "auto":
        told["LOG_FORMAT"] = "console"
    if colour:
        told["FORCE_COLOR"] = "1"
    return told
