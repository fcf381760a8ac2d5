"""What an import by a stream of lines takes beside COPY of the same rows into the same tables, with their triggers and indexes.

    python benchmarks/imports.py [--videos 100000] [--rounds 1] [--json]

COPY writes columns that were made before, over the driver, videos first and then tags. The stream goes to the service over HTTP
and has no word made; meanwhile `/livez` is asked for, one request after another, which tells how long the stream keeps others
waiting. Memory is the largest resident set of the service's process above that before the first stream. Exits with 1 below half
of COPY's speed, or above 150 MB more.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx

from dbcommon.dsn import DatabaseUrl
from library import connect
from library_rows import COLUMNS, TAG_COLUMNS, make_library
from measuring import Server, serve, tell, throw_away_databases

LEAST_RATIO = 0.5
MOST_MEGABYTES = 150
GIVEN = (
    "file_path",
    "file_name",
    "file_size",
    "mime_type",
    "duration_seconds",
    "hash",
    "title",
    "description",
)
PART = 64 * 1024
EMPTY = "TRUNCATE videos, tags, changes, vocabulary, watch_history, tombstones, removed_tags CASCADE"


async def copy(owner: DatabaseUrl, videos: int) -> float:
    """The seconds of COPY of a library."""
    connection = await connect(owner)
    rows = [*make_library(videos, range(videos))]
    began = time.monotonic()
    await connection.copy_records_to_table("videos", records=[video for video, _ in rows], columns=COLUMNS)
    tags = [tag for _, tags in rows for tag in tags]
    await connection.copy_records_to_table("tags", records=tags, columns=TAG_COLUMNS)
    seconds = time.monotonic() - began
    await connection.close()
    return seconds


async def empty(owner: DatabaseUrl) -> None:
    """An empty library."""
    connection = await connect(owner)
    await connection.execute(EMPTY)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def write_lines(videos: int) -> Iterator[bytes]:
    """The same library as lines, in parts."""
    part = bytearray()
    for row, tags in make_library(videos, range(videos)):
        video = dict(zip(COLUMNS, row, strict=True))
        line = {name: video[name] for name in GIVEN} | {
            "metadata": json.loads(str(video["metadata"])),
            "tags": [{"tag_name": name, "tag_category": category} for _, _, name, category in tags],
        }
        part += json.dumps(line).encode() + b"\n"
        if len(part) >= PART:
            yield bytes(part)
            part.clear()
    yield bytes(part)


async def send(port: int, parts: list[bytes]) -> tuple[float, dict[str, Any]]:
    """The seconds of a stream, and the answer."""

    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    headers = {"Content-Type": "application/x-ndjson"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=3600
    ) as client:
        began = time.monotonic()
        answer = await client.post("/v1/videos/batch", content=body())
        seconds = time.monotonic() - began
    if answer.is_error:
        raise RuntimeError(f"the stream was refused: {answer.text}")
    return seconds, answer.json()


class Watch(threading.Thread):
    """Asks the server whether it lives, and looks at its memory."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self.is_over = threading.Event()
        self.before = self._resident()
        self.most = self.before
        self.times: list[float] = []

    def run(self) -> None:
        """Until it is over."""
        while not self.is_over.wait(0.02):
            self.most = max(self.most, self._resident())
            began = time.monotonic()
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._server.port}/livez", timeout=60
            ) as response:
                response.read()
            self.times.append(1000 * (time.monotonic() - began))

    def _resident(self) -> int:
        (line,) = (
            line
            for line in Path(f"/proc/{self._server.process.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        )
        return int(line.split()[1]) // 1024


def measure(server: Server, owner: DatabaseUrl, *, videos: int) -> dict[str, Any]:
    """One round."""
    parts = [*write_lines(videos)]
    asyncio.run(empty(owner))
    copied = asyncio.run(copy(owner, videos))
    asyncio.run(empty(owner))
    watch, cpu = Watch(server), server.cpu_seconds()
    watch.start()
    try:
        streamed, answer = asyncio.run(send(server.port, parts))
    finally:
        watch.is_over.set()
        watch.join()
    return {
        "answer": answer,
        "copy_seconds": round(copied, 1),
        "stream_seconds": round(streamed, 1),
        "service_cpu_seconds": round(server.cpu_seconds() - cpu, 1),
        "ratio": round(copied / streamed, 2),
        "more_megabytes": watch.most - watch.before,
        "livez_ms": {
            "median": round(statistics.median(watch.times), 1),
            "p99": round(statistics.quantiles(watch.times, n=100)[98], 1),
        },
    }


def run(*, videos: int, rounds: int) -> list[dict[str, Any]]:
    """The rounds."""
    owners: dict[str, DatabaseUrl] = {}
    with throw_away_databases("videovault", owners=owners) as urls:
        environment = {
            "LOG_LEVEL": "warning",
            "VIDEOVAULT_ACCESS": "open",
            "VIDEOVAULT_DATABASE_URL": urls["videovault"].reveal(),
            "VIDEOVAULT_SECRET": secrets.token_urlsafe(32),
        }
        with serve("videovault", "-m", "videovault", environment=environment) as server:
            return [measure(server, owners["videovault"], videos=videos) for _ in range(rounds)]


def main() -> None:
    """Read the options, measure, print. Exits with 1 when it is slower, or takes more memory, than wanted."""
    parser = argparse.ArgumentParser(description="An import by a stream beside COPY.")
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    results = run(videos=options.videos, rounds=options.rounds)
    tell({"videos": options.videos, "rounds": results}, map(str, results), as_json=options.json)
    is_bad = any(
        result["ratio"] < LEAST_RATIO or result["more_megabytes"] > MOST_MEGABYTES for result in results
    )
    sys.exit(is_bad)


if __name__ == "__main__":
    main()
