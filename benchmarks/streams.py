"""What streaming costs: a file of 32 MiB, against a bare Starlette application that answers with its `FileResponse`.

    python benchmarks/streams.py [--seconds 3] [--rounds 5] [--connections 4] [--json]

Each is a process of its own; a third one reads. The figure is MiB a CPU-second of the server process; rounds alternate and the
median counts. VideoVault finds the file in its database, and opens it without following a link.
"""

import contextlib
import json
import secrets
import statistics
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from measuring import Server, put_load, read_options, serve, serve_program, tell, throw_away_databases

WANTED = 0.8
MIB = 1024 * 1024
SIZE = 32 * MIB


def post(server: Server, path: str, body: dict[str, Any]) -> Any:
    """The JSON answer to a JSON body."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own server
        return json.load(response)


def record(server: Server, file: Path) -> str:
    """The path of the stream of a file, whose folder becomes a root."""
    post(server, "/v1/roots", {"path": str(file.parent)})
    body = {"file_path": str(file), "file_name": file.name, "file_size": SIZE, "mime_type": "video/mp4"}
    return f"/v1/videos/{post(server, '/v1/videos', body)['id']}/stream"


def measure(server: Server, path: str, *, seconds: float, connections: int) -> float:
    """MiB a CPU-second in one round."""
    before = server.cpu_seconds()
    answers = put_load("load.py", seconds=seconds, port=server.port, path=path, tokens=["none"] * connections)
    return int(answers) * SIZE / MIB / (server.cpu_seconds() - before)


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """MiB a CPU-second of both, and the ratio."""
    figures: dict[str, list[float]] = {"bare": [], "videovault": []}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        file = folder / "film.mp4"
        file.write_bytes(secrets.token_bytes(SIZE))
        urls = stack.enter_context(throw_away_databases("videovault"))
        environment = {
            "LOG_FORMAT": "json",
            "VIDEOVAULT_DATABASE_URL": urls["videovault"].reveal(),
            "VIDEOVAULT_SECRET": secrets.token_urlsafe(32),
            "VIDEOVAULT_ACCESS": "open",
            "VIDEOVAULT_MEDIA_ROOTS": str(folder),
        }
        vault = stack.enter_context(serve("videovault", "-m", "videovault", environment=environment))
        bare = stack.enter_context(
            serve_program("bare", "bare_streams.py", str(file), environment=environment)
        )
        path = record(vault, file)
        for number in range(rounds + 1):
            for server in (bare, vault):
                figure = measure(server, path, seconds=seconds if number else 1.0, connections=connections)
                if number:
                    figures[server.name].append(figure)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "mib_per_cpu_second": {name: round(value) for name, value in medians.items()},
        "ratio_to_bare": round(medians["videovault"] / medians["bare"], 3),
        "wanted": WANTED,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when the ratio is below the required one."""
    options = read_options(
        "The cost of streaming, in MiB a CPU-second.", seconds=3.0, rounds=5, connections=4
    )
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    lines = [f"{result['mib_per_cpu_second']} MiB a CPU-second   {result['ratio_to_bare']:.3f} of bare"]
    tell(result, lines, as_json=options.json)
    sys.exit(result["ratio_to_bare"] < WANTED)


if __name__ == "__main__":
    main()
