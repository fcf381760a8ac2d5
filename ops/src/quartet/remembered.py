"""Facts about the services that are slow to find out, kept in the state folder until the files that they come from change."""

import importlib.util
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def package_folder(name: str) -> Path | None:
    """The folder of a package, which is not imported for that; None when it is not installed here."""
    specification = importlib.util.find_spec(name)
    if specification is None or specification.origin is None:
        return None
    return Path(specification.origin).parent


def fingerprint(files: Iterable[Path]) -> list[list[str | int]]:
    """Path, modification time and size of each file: equal as long as none of them has changed."""
    return [[str(file), file.stat().st_mtime_ns, file.stat().st_size] for file in files]


def recall(remembered: Path | None) -> dict[str, Any]:
    """What `remember` wrote; empty when there is no such file, or an unreadable one."""
    if remembered is None:
        return {}
    try:
        found = json.loads(remembered.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(remembered: Path | None, facts: Mapping[str, Any]) -> None:
    """Replace the file in one step. Does nothing where there is no state folder."""
    if remembered is None or not remembered.parent.is_dir():
        return
    unfinished = remembered.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(facts))
    unfinished.replace(remembered)
