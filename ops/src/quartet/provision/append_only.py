"""Which tables a service's migrations made append-only, read from the migrations themselves."""

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

MAKER = "make_append_only"


@functools.cache
def append_only_tables(service: str) -> frozenset[str]:
    """The tables named in calls of `make_append_only`; none for a service that is not installed here.

    The database cannot tell: a right that was never granted looks like one that was taken away.
    """
    return frozenset(
        name for file in migration_files(service) for name in _named(ast.parse(file.read_text("utf-8")))
    )


def migration_files(service: str) -> list[Path]:
    """The migrations as they lie there: inside the package when installed, beside `src` in a checkout."""
    specification = importlib.util.find_spec(service)
    if specification is None or specification.origin is None:
        return []
    package = Path(specification.origin).parent
    folders = (package / "migrations", package.parents[1] / "migrations")
    return sorted(file for folder in folders for file in folder.glob("**/*.py"))


def _named(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == MAKER:
            yield from ast.literal_eval(node.args[0])
