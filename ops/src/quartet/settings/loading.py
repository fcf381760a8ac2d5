"""Reads the settings of a stack from the process and from `.env`."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from quartet.errors import WrongSettings
from quartet.settings.catalogue import (
    GOVERNED_PREFIXES,
    OWN_PREFIX,
    Setting,
    explain_unknown,
    find_near,
    is_foreign,
)
from quartet.settings.dotenv_file import read_dotenv
from quartet.settings.operator import OperatorSettings


def load_settings(
    *, check: bool = True, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> OperatorSettings:
    """Read the settings; `.env` lies in `folder`, by default the current one. Empty values count as not set.

    Raises WrongSettings, a line for each fault, when `check` is on and a name of `.env` or QUARTET_… is not known. The
    rest of the environment is other programs' too: a name of it that is very like a setting's becomes a warning.
    """
    folder = folder or Path.cwd()
    process = os.environ if environ is None else environ
    written = read_dotenv(folder / ".env")
    given = {name: value for name, value in {**written, **process}.items() if value}
    settings = OperatorSettings(given, folder=folder)
    if check:
        strange = [name for name in written if name not in settings.known and not is_foreign(name)]
        strange += [name for name in process if name.startswith(OWN_PREFIX) and name not in settings.known]
        if strange:
            raise WrongSettings(
                "\n".join(explain_unknown(name, settings.known) for name in dict.fromkeys(strange))
            )
        settings.warnings = _find_misspelt(process, settings.known)
    return settings


def _find_misspelt(process: Iterable[str], known: Mapping[str, Setting]) -> list[str]:
    """A line for each variable of the process that is probably a setting, misspelt."""
    return [
        f"{name} is no setting and has no effect: did you mean {near}?"
        for name in process
        if name not in known
        and name.startswith(GOVERNED_PREFIXES)
        and (near := find_near(name, known, likeness=0.85))
    ]
