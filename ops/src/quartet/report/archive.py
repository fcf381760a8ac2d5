"""Puts a report together and writes it into one archive."""

import io
import json
import os
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from quartet.errors import Failure, Refused
from quartet.report.parts import PARTS, find_logs, read_last_lines
from quartet.report.redaction import Redactor, find_secrets
from quartet.settings import OperatorSettings


@dataclass(frozen=True, kw_only=True)
class Report:
    """The files of a report by their names, and why parts of it could not be had."""

    files: dict[str, str]
    missing: dict[str, str]


async def gather(settings: OperatorSettings, *, lines: int) -> Report:
    """Every part, and the last `lines` of each log, without secrets. A part that cannot be had is noted."""
    redactor = Redactor(find_secrets(settings))
    files: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, tell in PARTS.items():
        try:
            found = redactor.value(await tell(settings))
        except (Failure, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            missing[name] = redactor.text(str(error) or type(error).__name__)
        else:
            files[f"{name}.json"] = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    for name, path in find_logs(settings).items():
        try:
            last = read_last_lines(path, lines)
        except OSError as error:
            missing[f"logs/{name}"] = str(error)
        else:
            files[f"logs/{name}.log"] = "".join(f"{redactor.text(line)}\n" for line in last)
    if missing:
        files["missing.json"] = json.dumps(missing, indent=2, ensure_ascii=False) + "\n"
    return Report(files=files, missing=missing)


def write_archive(report: Report, path: Path) -> None:
    """Write a new tar.gz that only its owner can read. Raises Refused for a file that is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{path} is there already: delete it, or name another with --output") from None
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in report.files.items():
                _add(archive, f"{path.name.removesuffix('.tar.gz')}/{name}", text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
    archive.addfile(entry, io.BytesIO(content))
