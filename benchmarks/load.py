"""A load generator for the benchmarks: keep-alive connections that ask for one path, each as fast as it is answered.

Run as `python benchmarks/load.py`; reads a JSON object from standard input (`port`, `path`, `seconds`, `tokens`, one
connection a token) and prints how many answers came. Any answer but 200 ends it with an error.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

import uvloop


@dataclass
class Tally:
    """The number of answers, and the deadline (of `time.monotonic`)."""

    deadline: float
    answers: int = field(default=0)


async def ask(tally: Tally, *, port: int, path: str, token: str) -> None:
    """Send requests over one connection until the deadline."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    try:
        while time.monotonic() < tally.deadline:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(head.decode("latin-1"))
            await reader.readexactly(content_length(head))
            tally.answers += 1
    finally:
        writer.close()


def content_length(head: bytes) -> int:
    """The length in an answer's head."""
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])


async def drive(*, port: int, path: str, seconds: float, tokens: list[str]) -> int:
    """The number of answers on all connections."""
    tally = Tally(deadline=time.monotonic() + seconds)
    async with asyncio.TaskGroup() as group:
        for token in tokens:
            group.create_task(ask(tally, port=port, path=path, token=token))
    return tally.answers


if __name__ == "__main__":
    print(uvloop.run(drive(**json.load(sys.stdin))))
