"""What storing a dump costs by the pipe of `quartet backup full`, against `pg_dump | zstd | age` in a shell.

    python benchmarks/backup.py [--mb 1000] [--rounds 3] [--json]

A database of so many megabytes, one table of videos with text that compresses about threefold, is stored in a folder: by
the shell, by our pipe, and by our pipe with the checksum of every row taken in the same snapshot. Rounds alternate; the
times are medians, without the start of Python, the ratios those to the shell's. Memory is the most that the pipe's processes had at once, without the
server's; so are the seconds of processors, which on a busy machine say more. Where the programs `age` and `zstd` are missing, the shell's pipe goes without, and that is said.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import psutil
from pyrage.x25519 import Identity

from measuring import FOLDER, tell
from quartet.postgres import Cluster

DATABASE = "postgres"
WANTED_RATIO = 1.15
WANTED_MEGABYTES = 200
ROW_BYTES = 620
SAMPLE_SECONDS = 0.02
KINDS = ("shell", "ours", "ours with checksums")
_TABLE = """
    CREATE TABLE videos (
        id uuid DEFAULT gen_random_uuid(), file_path text, file_name text, file_size bigint, mime_type text,
        duration_seconds int, metadata jsonb, hash text, created_at timestamptz DEFAULT now())
"""


def make_rows(count: int) -> Iterator[tuple[str, str, int, str, int, str, str]]:
    """Videos with descriptions of words, as people write them."""
    chosen = random.Random(7)  # the same rows each time
    words = ["".join(chosen.choices("aeioulnrst", k=chosen.randint(2, 11))) for _ in range(3000)]
    for number in range(count):
        title = " ".join(chosen.choices(words, k=5))
        metadata = {
            "title": title,
            "description": " ".join(chosen.choices(words, k=40)),
            "width": chosen.choice([1280, 1920, 3840]),
            "bitrate": chosen.randint(1_000_000, 9_000_000),
        }
        yield (
            f"/videos/{number // 1000}/{title.replace(' ', '_')}.mp4",
            f"{title}.mp4",
            chosen.randint(10**6, 10**9),
            "video/mp4",
            chosen.randint(10, 9000),
            json.dumps(metadata),
            chosen.randbytes(32).hex(),
        )


async def fill(cluster: Cluster, password: str, *, megabytes: int) -> float:
    """Make the table; its size in megabytes."""
    connection = await asyncpg.connect(
        host="127.0.0.1", port=cluster.port, user="postgres", password=password, database=DATABASE
    )
    await connection.execute(_TABLE)
    columns = ["file_path", "file_name", "file_size", "mime_type", "duration_seconds", "metadata", "hash"]
    rows = megabytes * 1_000_000 // ROW_BYTES
    await connection.copy_records_to_table("videos", records=make_rows(rows), columns=columns)
    await connection.execute("VACUUM ANALYZE videos")
    size: int = await connection.fetchval("SELECT pg_table_size('videos')")
    await connection.close()
    return size / 1_000_000


class Figures(NamedTuple):
    """Seconds by the clock and of processors, without the server's; the most megabytes at once."""

    seconds: float
    processor: float
    megabytes: float


def measure(command: list[str], *, environment: Mapping[str, str]) -> Figures:
    """What a command took; the seconds are those that it prints, if it does."""
    began, used = time.perf_counter(), _processor_seconds()
    process = subprocess.Popen(  # noqa: S603 - our own programs
        command, stdout=subprocess.PIPE, env=dict(environment)
    )
    most = 0
    while process.poll() is None:
        most = max(most, _resident(process.pid))
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - began
    told, _ = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed")
    return Figures(float(told or seconds), _processor_seconds() - used, most / 1_000_000)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def shell_pipe(cluster: Cluster, folder: Path, recipient: str) -> str:
    """The pipe of programs that are there."""
    steps = [f"'{cluster.binaries.program('pg_dump')}' --format=custom --compress=0 {DATABASE}"]
    if shutil.which("zstd"):
        steps.append("zstd -3 --quiet")
    if shutil.which("age"):
        steps.append(f"age --recipient {recipient}")
    return f"{' | '.join(steps)} >'{folder}/shell.dump.zst.age'"


def run(*, megabytes: int, rounds: int) -> dict[str, Any]:
    """Medians of the seconds, the most megabytes, and the ratios to the shell's seconds."""
    with tempfile.TemporaryDirectory(prefix="quartet-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # run by root, the server belongs to another user
        kept = folder / "kept"
        kept.mkdir()
        cluster, password = Cluster(folder / "cluster"), secrets.token_urlsafe(24)
        recipient = str(Identity.generate().to_public())
        cluster.initialise(superuser_password=password)
        with cluster.running():
            size = asyncio.run(fill(cluster, password, megabytes=megabytes))
            order = {
                "port": cluster.port,
                "database": DATABASE,
                "folder": str(kept),
                "recipient": recipient,
            }
            pipe = shell_pipe(cluster, kept, recipient)
            measured: dict[str, list[Figures]] = {kind: [] for kind in KINDS}
            for number in range(rounds + 1):  # the first fills the caches
                for kind in KINDS:
                    found = _measure(kind, cluster, password, pipe=pipe, order=order)
                    measured[kind] += [found] if number else []
    seconds = {kind: statistics.median(each.seconds for each in found) for kind, found in measured.items()}
    used = {kind: statistics.median(each.processor for each in found) for kind, found in measured.items()}
    return {
        "megabytes": round(size),
        "shell": pipe.count("|") + 1,
        "seconds": {kind: round(value, 2) for kind, value in seconds.items()},
        "processor": {kind: round(value, 2) for kind, value in used.items()},
        "memory": {kind: round(max(each.megabytes for each in found)) for kind, found in measured.items()},
        "ratios": {kind: round(seconds[kind] / seconds["shell"], 2) for kind in KINDS[1:]},
    }


def _measure(kind: str, cluster: Cluster, password: str, *, pipe: str, order: Mapping[str, Any]) -> Figures:
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGUSER": "postgres",
        "PGPASSWORD": password,
        "PG_BINDIR": str(cluster.binaries.bindir),
    }
    if kind == "shell":
        return measure(["bash", "-c", f"set -o pipefail; {pipe}"], environment=environment)
    told = json.dumps({**order, "with_checksums": kind == KINDS[2]})
    return measure([sys.executable, str(FOLDER / "dump_pipe.py"), told], environment=environment)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=1000, help="about the size of the dump, in megabytes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = run(megabytes=options.mb, rounds=options.rounds)
    programs = {1: "pg_dump alone", 2: "pg_dump and one of zstd and age", 3: "pg_dump, zstd and age"}
    lines = [f"a table of {result['megabytes']} MB; the shell's pipe is {programs[result['shell']]}"]
    for kind in KINDS:
        ratio = f", {result['ratios'][kind]} times the shell's" if kind != "shell" else ""
        lines.append(
            f"{kind}: {result['seconds'][kind]} s{ratio}; {result['processor'][kind]} s of processors;"
            f" {result['memory'][kind]} MB"
        )
    lines.append(f"wanted: at most {WANTED_RATIO} times, and under {WANTED_MEGABYTES} MB")
    tell(result, lines, as_json=options.json)


if __name__ == "__main__":
    main()
