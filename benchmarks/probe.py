"""A prober for the benchmarks: asks for one path again and again, each time after a pause, as an orchestrator does.

Run as `python benchmarks/probe.py`; reads a JSON object from standard input (`port`, `path`, `seconds`, `pause` in
seconds) and prints how long each answer took, in seconds. Any answer but 200 ends it with an error.
"""

import json
import socket
import sys
import time

from load import content_length


def probe(*, port: int, path: str, seconds: float, pause: float) -> list[float]:
    """The seconds until each answer, on one keep-alive connection."""
    times = []
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        answers = connection.makefile("rb")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            started = time.perf_counter()
            connection.sendall(request)
            head = b"".join(iter(answers.readline, b"\r\n"))
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(head.decode("latin-1"))
            answers.read(content_length(head))
            times.append(time.perf_counter() - started)
            time.sleep(pause)
    return times


if __name__ == "__main__":
    print(json.dumps(probe(**json.load(sys.stdin))))
