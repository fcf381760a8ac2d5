"""`.env.example`, generated from the settings."""

import textwrap
from collections.abc import Iterable

from quartet.settings.catalogue import Setting

WIDTH = 110
_HEADER = """\
# Settings of the suite. Copy this file to `.env` and take away the # of the lines that you change.
# The process's environment wins over this file. What is empty here has no default: the operator's command
# generates the secrets at the first start, and does without the rest.
"""


def environment_example(settings: Iterable[Setting]) -> str:
    """The text of `.env.example`: each setting with its description and default, commented out."""
    parts = [_HEADER]
    section = None
    for setting in settings:
        heading = _heading(setting)
        if heading != section:
            parts.append(f"\n# --- {heading} ---\n")
            section = heading
        description = textwrap.fill(setting.description, WIDTH, initial_indent="# ", subsequent_indent="# ")
        parts.append(f"\n{description}\n#{setting.name}={setting.default or ''}\n")
    return "".join(parts)


def _heading(setting: Setting) -> str:
    if setting.name.endswith(("_DB_OWNER_PASSWORD", "_DB_OWNER_PASSWORD_FILE")):
        return setting.name.split("_")[0].lower()
    if not setting.services:
        return "the operator's command"
    return setting.services[0] if len(setting.services) == 1 else "all services"
