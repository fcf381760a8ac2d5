"""The tables of docs/<service>.md, and what the code has to compare them with."""

import re
from pathlib import Path

from tests.documented import unconnected
from webcommon.settings import ServiceSettings, describe_settings, environment_name

DOCS = Path(__file__).parents[1] / "docs"


def read_table(service: str, heading: str) -> dict[str, str]:
    """The second column by the first, of the table whose first column has this heading."""
    lines = iter((DOCS / f"{service}.md").read_text().splitlines())
    next(line for line in lines if line.startswith(f"| {heading} |"))
    next(lines)
    rows: dict[str, str] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, value = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        assert name not in rows
        rows[name] = value
    return rows


def read_routes(service: str) -> set[str]:
    """The routes of the service under /v1, as its page writes them."""
    paths = unconnected(service).openapi()["paths"]
    return {
        f"`{method.upper()} {path}`"
        for path, operations in paths.items()
        for method in operations
        if path.startswith("/v1/")
    }


def read_settings(settings: type[ServiceSettings]) -> dict[str, str | None]:
    """The defaults of the settings that this service has and not every service, as its page writes them."""
    own = {
        environment_name(settings, name, field)
        for name, field in settings.model_fields.items()
        if name == "port" or name not in ServiceSettings.model_fields
    }
    return {
        f"`{setting.name}`": f"`{setting.default}`" if setting.default else None
        for setting in describe_settings(settings)
        if setting.name in own
    }
