"""A load generator for `answers.py`: each connection answers one question after the other, each once.

Run as `python benchmarks/answers_load.py`; reads a JSON object from standard input (`port`, `path`, `seconds`, `tokens`, one
connection a token, `question_ids`, `start`: where each connection begins) and prints `answers`, and the `next` start. Any
answer but 202 ends it with an error.
"""

import asyncio
import json
import sys
import time
from itertools import count

import uvloop

from load import content_length


async def answer(
    *, port: int, path: str, deadline: float, token: str, question_ids: list[str], start: int
) -> int:
    """Answer questions over one connection until the deadline; gives the number of answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )
    try:
        for number in count():
            if time.monotonic() >= deadline:
                return number
            content = json.dumps({"question_id": question_ids[start + number], "answer": "4"})
            writer.write(f"{head}{len(content)}\r\n\r\n{content}".encode())
            answer_head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(content_length(answer_head))
            if not answer_head.startswith(b"HTTP/1.1 202 "):
                raise RuntimeError((answer_head + body).decode("latin-1"))
    finally:
        writer.close()
    raise AssertionError("the count has no end")


async def drive(
    *, port: int, path: str, seconds: float, tokens: list[str], question_ids: list[str], start: int
) -> dict[str, int]:
    """The number of answers on all connections, and where the next round begins."""
    deadline = time.monotonic() + seconds
    numbers = await asyncio.gather(
        *(
            answer(
                port=port, path=path, deadline=deadline, token=token, question_ids=question_ids, start=start
            )
            for token in tokens
        )
    )
    return {"answers": sum(numbers), "next": start + max(numbers)}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(**json.load(sys.stdin)))))
