"""Opens the services' listening sockets before anything is started, and names the process that has a taken port."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from quartet.errors import PortTaken

BACKLOG = 2048
INHERITED_LISTENERS = "INHERITED_LISTENERS"
"""The variable with the descriptors that a program listens on: its service's, which it shares, then its own."""

PATIENCE_SECONDS = 1.0  # a stack that was just killed releases its ports within this
_LISTENING = "0A"


def open_listeners(addresses: Mapping[str, tuple[str, int]]) -> dict[str, socket.socket]:
    """A listening socket for each service. Raises PortTaken, with a line for each address that cannot be bound.

    All processes of a service accept from its socket. It outlives them: connections wait while a process is restarted.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        opened, faults = _try_all(addresses)
        if not faults:
            return opened
        for listener in opened.values():
            listener.close()
        if time.monotonic() > deadline:
            raise PortTaken("\n".join(faults))
        time.sleep(0.05)


def take_listeners(name: str, address: tuple[str, int]) -> list[socket.socket]:
    """The sockets that `quartet up` handed to this process, or else one on `address`. Raises PortTaken."""
    if inherited := os.environ.pop(INHERITED_LISTENERS, ""):
        return [socket.socket(fileno=int(descriptor)) for descriptor in inherited.split(",")]
    return list(open_listeners({name: address}).values())


def open_own_listener() -> socket.socket:
    """A socket on a free loopback port, bound only: connections are refused until a process listens on it."""
    listener = socket.socket(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    return listener


def _try_all(addresses: Mapping[str, tuple[str, int]]) -> tuple[dict[str, socket.socket], list[str]]:
    opened: dict[str, socket.socket] = {}
    faults: list[str] = []
    seen: dict[int, str] = {}
    for service, (host, port) in addresses.items():
        way_out = f"set {service.upper()}_PORT to a free one"
        if port in seen:
            faults.append(f"port {port} is set for {seen[port]} and for {service}: {way_out}")
        elif isinstance(found := _open(host, port), str):
            stop_it = "stop that, or " if found.startswith("is taken") else ""
            faults.append(f"port {port} for {service} {found}: {stop_it}{way_out}")
        else:
            opened[service] = found
        seen[port] = service
    return opened, faults


def _open(host: str, port: int) -> socket.socket | str:
    """The listening socket, or why it cannot be opened."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        return f"cannot be had on host {host} ({error.strerror})"
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if isinstance(error, PermissionError):
            return "is reserved for root"
        holder = _holder(port)
        return f"is taken{f' by {holder}' if holder else ''}"
    return listener


def _holder(port: int) -> str | None:
    """The process that listens there, if /proc shows it."""
    inodes = {
        f"socket:[{fields[9]}]"
        for table in ("tcp", "tcp6")
        for fields in _table(table)
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port
    }
    for folder in Path("/proc").glob("[0-9]*/fd") if inodes else ():
        try:
            if any(os.readlink(entry.path) in inodes for entry in os.scandir(folder)):
                name = folder.with_name("comm").read_text().strip()
                return f"{name} (process {folder.parent.name})"
        except OSError:
            continue
    return None


def _table(name: str) -> list[list[str]]:
    try:
        return [line.split() for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    except OSError:
        return []
