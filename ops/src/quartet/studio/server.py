"""Listens on loopback and serves until Ctrl-C."""

import socket

import uvicorn
from starlette.types import ASGIApp

from quartet.errors import NoPermission, PortTaken

LOOPBACK = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """A socket on a loopback port; 0 takes a free one. Raises PortTaken or NoPermission."""
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()
    except PermissionError:
        listener.close()
        raise NoPermission(f"port {port} is reserved for root: choose another with --port") from None
    except OSError as error:
        listener.close()
        raise PortTaken(f"port {port} is taken ({error.strerror}): choose another with --port") from None
    return listener


def serve(application: ASGIApp, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C, which raises KeyboardInterrupt, or a SIGTERM, which ends the process."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[listener])
