"""A load generator for the benchmarks: keep-alive connections that post JSON to one path, each as fast as it is answered.

Run as `python benchmarks/posts.py`; reads a JSON object from standard input (`port`, `path`, `seconds`, `bodies`, one
connection a body; `follow`: a member of the answer that goes into the next body, or null) and prints `answers`, and the
last `bodies`. Any answer but 200 ends it with an error.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

from load import content_length


@dataclass
class Tally:
    """The number of answers, and the deadline (of `time.monotonic`)."""

    deadline: float
    answers: int = field(default=0)


async def post(
    tally: Tally, *, port: int, path: str, body: dict[str, Any], follow: str | None
) -> dict[str, Any]:
    """Send requests over one connection until the deadline. Gives the next body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.monotonic() < tally.deadline:
            content = json.dumps(body).encode()
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            answer_head = await reader.readuntil(b"\r\n\r\n")
            answer = await reader.readexactly(content_length(answer_head))
            if not answer_head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError((answer_head + answer).decode("latin-1"))
            tally.answers += 1
            if follow is not None:
                body = {follow: json.loads(answer)[follow]}
    finally:
        writer.close()
    return body


async def drive(
    *, port: int, path: str, seconds: float, bodies: list[dict[str, Any]], follow: str | None
) -> dict[str, Any]:
    """The number of answers on all connections, and the next bodies."""
    tally = Tally(deadline=time.monotonic() + seconds)
    posts = (post(tally, port=port, path=path, body=body, follow=follow) for body in bodies)
    return {"bodies": await asyncio.gather(*posts), "answers": tally.answers}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(**json.load(sys.stdin)))))
