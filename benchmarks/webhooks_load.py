"""A load generator for `webhooks.py`: each connection sends one signed event after the other, each of them new.

Run as `python benchmarks/webhooks_load.py`; reads a JSON object from standard input (`port`, `seconds`, `connections`,
`secret`, `prefix` of the events' ids) and prints `events` and `p99_ms`. Any answer but 200 ends it with an error.
"""

import asyncio
import hashlib
import hmac
import json
import statistics
import sys
import time
from itertools import count

import uvloop

from load import content_length

FILLING = "x" * 2500
"""A PaymentIntent of Stripe has about so many characters."""


def event_of(name: str) -> bytes:
    """An event of the size of Stripe's."""
    thing = {"id": f"pi_{name}", "object": "payment_intent", "metadata": {}, "description": FILLING}
    event = {
        "id": name,
        "object": "event",
        "api_version": "2026-10-28.endive",
        "livemode": False,
        "type": "payment_intent.succeeded",
        "data": {"object": thing},
    }
    return json.dumps(event).encode()


async def send(*, port: int, deadline: float, secret: str, prefix: str) -> list[float]:
    """Send events over one connection until the deadline; gives the milliseconds of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken: list[float] = []
    try:
        for number in count():
            if time.monotonic() >= deadline:
                return taken
            content, at = event_of(f"{prefix}_{number}"), int(time.time())
            mark = hmac.new(secret.encode(), b"%d.%b" % (at, content), hashlib.sha256).hexdigest()
            head = (
                "POST /v1/webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Stripe-Signature: t={at},v1={mark}\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            start = time.perf_counter()
            writer.write(head.encode() + content)
            answer_head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(content_length(answer_head))
            taken.append((time.perf_counter() - start) * 1000)
            if not answer_head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError((answer_head + body).decode("latin-1"))
    finally:
        writer.close()
    raise AssertionError("the count has no end")


async def drive(*, port: int, seconds: float, connections: int, secret: str, prefix: str) -> dict[str, float]:
    """The number of events on all connections, and the 99th percentile of the answers' milliseconds."""
    deadline = time.monotonic() + seconds
    times = await asyncio.gather(
        *(
            send(port=port, deadline=deadline, secret=secret, prefix=f"{prefix}_{number}")
            for number in range(connections)
        )
    )
    taken = [each for some in times for each in some]
    return {"events": len(taken), "p99_ms": statistics.quantiles(taken, n=100)[98]}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(**json.load(sys.stdin)))))
