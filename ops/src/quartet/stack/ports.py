"""Whether the ports are free, and who has them, before anything is started."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from quartet.errors import PortTaken

PATIENCE_SECONDS = 1.0  # a stack that was just killed lets its ports go within this
_LISTENING = "0A"


def ensure_free(addresses: Mapping[str, tuple[str, int]]) -> None:
    """Raise PortTaken, a line for each service whose address cannot be had."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while faults := _faults(addresses):
        if time.monotonic() > deadline:
            raise PortTaken("\n".join(faults))
        time.sleep(0.05)


def _faults(addresses: Mapping[str, tuple[str, int]]) -> list[str]:
    faults: list[str] = []
    seen: dict[int, str] = {}
    for service, (host, port) in addresses.items():
        way_out = f"set {service.upper()}_PORT to a free one"
        if port in seen:
            faults.append(f"port {port} is meant for {seen[port]} and for {service}: {way_out}")
        elif reason := _refusal(host, port):
            stop_it = "stop that, or " if reason.startswith("is taken") else ""
            faults.append(f"port {port} for {service} {reason}: {stop_it}{way_out}")
        seen[port] = service
    return faults


def _refusal(host: str, port: int) -> str | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        return f"cannot be had on host {host} ({error.strerror})"
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except PermissionError:
            return "is reserved for root"
        except OSError:
            holder = _holder(port)
            return f"is taken{f' by {holder}' if holder else ''}"
    return None


def _holder(port: int) -> str | None:
    """The process that listens there, where /proc shows it."""
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
