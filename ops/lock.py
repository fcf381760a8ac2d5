"""Write the lock files from the packages' own dependencies: versions and hashes, and no address to fetch them from.

    requirements.lock                    what the whole suite needs to run
    requirements-dev.lock                the same and the tools for tests and checks
    services/<name>/requirements.lock    what one service needs, of the same versions, for its container

Needs `uv`, which `make lock` finds in the environment. `--check` writes nothing and exits 1 when a file is out of date
with what the packages declare (newer releases alone do not count).
"""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "quartet-"
BUILD = ["hatchling", "editables"]
SERVICES = ("auth", "l2p", "payment", "videovault")
OPTIONS = [
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-annotate",
    "--no-header",
    "--quiet",
]
PACKAGES = ("libs/dbcommon", "libs/webcommon", *(f"services/{name}" for name in SERVICES), "standins", "ops")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    parser.add_argument(
        "--upgrade", action="store_true", help="take newer releases where the packages allow them"
    )
    arguments = parser.parse_args()
    projects = dict(map(_read_project, PACKAGES))
    everything = [need for name in projects for need in _needs(name, projects)] + BUILD
    development = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    plans: list[tuple[str, list[str], str | None]] = [
        ("requirements.lock", everything, None),
        ("requirements-dev.lock", everything + development, "requirements.lock"),
        *(
            (
                f"services/{name}/requirements.lock",
                [*_needs(PREFIX + name, projects), *BUILD],
                "requirements.lock",
            )
            for name in SERVICES
        ),
    ]
    stale = [path for path, needs, limits in plans if not _lock(path, needs, limits, arguments)]
    for path in stale:
        sys.stderr.write(f"{path} is out of date: run `make lock`\n")
    return 1 if stale else 0


def _read_project(folder: str) -> tuple[str, dict[str, Any]]:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return project["name"], project


def _needs(name: str, projects: dict[str, dict[str, Any]]) -> list[str]:
    """What a package needs from outside, and what those of ours need that it stands on."""
    package, _, extras = name.partition("[")
    project = projects[package]
    wanted = list(project["dependencies"])
    for extra in filter(None, extras.rstrip("]").split(",")):
        wanted += project["optional-dependencies"][extra]
    found: list[str] = []
    for need in wanted:
        found += _needs(need, projects) if need.startswith(PREFIX) else [need]
    return found


def _lock(path: str, needs: list[str], limits: str | None, arguments: argparse.Namespace) -> bool:
    target = ROOT / path
    before = target.read_text() if target.exists() else ""
    output = target.with_suffix(".checked") if arguments.check else target
    if before and not arguments.upgrade:
        # Versions that stand in the output file stay unless the packages no longer allow them.
        output.write_text(before)
    else:
        output.unlink(missing_ok=True)
    command = [
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "compile",
        "-",
        "--output-file",
        str(output),
        *OPTIONS,
    ]
    if limits is not None:
        command += ["--constraints", str(ROOT / limits)]
    wanted = "\n".join(sorted(set(needs)))
    subprocess.run(command, input=wanted, text=True, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603 - our own arguments
    after = output.read_text()
    if arguments.check:
        output.unlink()
        return after == before
    print(f"wrote {path}")  # noqa: T201 - a command's output
    return True


if __name__ == "__main__":
    sys.exit(main())
