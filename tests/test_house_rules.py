"""The rules of CONTRIBUTING.md, checked by reading the code."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quartet.provision.plan import SERVICES
from quartet.schema import service_metadata

ROOT = Path(__file__).parents[1]

STATEMENTS = frozenset({"select", "insert", "update", "delete", "text", "union", "union_all", "exists"})
"""Functions and objects that SQL statements start from in SQLAlchemy."""

KNOWN_SQL = frozenset({"services/auth/src/auth/users/sign_in_methods.py"})
"""Modules with statements of SQLAlchemy that have another name. A new one is called `repository.py`."""

KNOWN_SQL_STRINGS = frozenset(
    {
        "services/auth/src/auth/after_restore.py",
        "services/l2p/src/l2p/after_restore.py",
        "services/videovault/src/videovault/after_restore.py",
        "services/payment/src/payment/after_restore.py",
        "services/auth/src/auth/sessions/recognised_devices.py",
    }
)
"""Modules with SQL in strings that have another name. The first runs without an application, on a connection of the driver;
the second has an expression of several repositories."""


LONGEST_FILE = 400
"""Lines of a Python file that still read as one subject."""


def sources() -> Iterator[Path]:
    """Every module of the services."""
    return (
        path for path in sorted((ROOT / "services").glob("*/src/**/*.py")) if "migrations" not in path.parts
    )


def find_transactions(tree: ast.AST) -> list[int]:
    """Lines that open a transaction."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "transaction"
    ]


def find_statements(tree: ast.AST) -> list[int]:
    """Lines that import parts of SQL statements."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").split(".")[0] == "sqlalchemy"
        and STATEMENTS.intersection(alias.name for alias in node.names)
    ]


def find_state(tree: ast.AST) -> list[int]:
    """Lines that read or write an attribute of an application's `state`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "state"
        and ast.unparse(node.value.value).endswith("app")
    ]


def find_listed_values(tree: ast.AST) -> list[int]:
    """Lines of a CHECK that lists a column's values by hand."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "CheckConstraint"
        and " IN ('" in str(getattr(node.args[0], "value", ""))
    ]


def find_raises_of_groups(tree: ast.AST) -> list[int]:
    """Lines that raise within `except*`."""
    return [
        inner.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.TryStar)
        for handler in node.handlers
        for inner in ast.walk(handler)
        if isinstance(inner, ast.Raise)
    ]


TABLES = frozenset(table for service in SERVICES for table in service_metadata(service).tables)

ON_TABLE = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?(?:{'|'.join(sorted(TABLES))})\b")


def find_sql_on_tables(tree: ast.AST) -> list[int]:
    """Lines of a string with SQL on a service's table."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ON_TABLE.search(node.value)
    ]


@pytest.mark.parametrize(
    ("find", "source"),
    [
        (find_transactions, "async def route(database):\n    async with database.transaction() as db: ..."),
        (find_statements, "from sqlalchemy import func\nfrom sqlalchemy import select as s"),
        (find_listed_values, "class A:\n    b = CheckConstraint(\"kind IN ('a', 'b')\")"),
        (find_sql_on_tables, "def read(db):\n    db.execute('SELECT roles FROM users')"),
        (
            find_sql_on_tables,
            "def end(db, ids):\n    db.execute(f'UPDATE ONLY sessions SET ended_at = {ids}')",
        ),
        (find_raises_of_groups, "try: ...\nexcept* OSError: raise"),
        (find_state, "def wire(app):\n    app.state.guard = 1"),
        (find_state, "def read(request):\n    return request.app.state.guard"),
    ],
)
def test_what_breaks_a_rule_is_found(find: Callable[[ast.AST], list[int]], source: str) -> None:
    assert find(ast.parse(source)) == [2]


def test_routes_open_no_transaction() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if path.name.endswith("routes.py") or path.name == "pages.py"
        for line in find_transactions(ast.parse(path.read_text()))
    }
    assert found == set(), "let the public function of the service open it"


@pytest.mark.parametrize(
    ("find", "known"), [(find_statements, KNOWN_SQL), (find_sql_on_tables, KNOWN_SQL_STRINGS)]
)
def test_sql_stands_in_repositories(find: Callable[[ast.AST], list[int]], known: frozenset[str]) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if path.name != "repository.py"
        and "models" not in (path.stem, path.parent.name)
        and str(path.relative_to(ROOT)) not in known
        for line in find(ast.parse(path.read_text()))
    }
    assert found == set(), "move the statement into the feature's repository.py, with a function that runs it"


def test_nothing_is_raised_within_a_handler_of_groups() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        for line in find_raises_of_groups(ast.parse(path.read_text()))
    }
    assert found == set(), "raise it after the try: until Python 3.11.4 it would become a group"


def test_nothing_is_kept_under_a_name_in_the_state() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("services", "libs")
        for path in sorted((ROOT / folder).glob("*/src/**/*.py"))
        for line in find_state(ast.parse(path.read_text()))
    }
    assert found == set(), "make it a field of the service's Components, and ask for it by its type"


def test_values_of_a_column_are_listed_once() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        for line in find_listed_values(ast.parse(path.read_text()))
    }
    assert found == set(), "write a Literal, and its CHECK by dbcommon.models.one_of"


def test_the_operators_command_holds_no_sql_on_a_services_table() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "ops/src").glob("**/*.py"))
        for line in find_sql_on_tables(ast.parse(path.read_text()))
    }
    assert found == set(), (
        "let the service publish a command in its commands.py (as auth), which `quartet` mounts"
    )


def test_a_file_has_no_more_lines_than_a_subject_takes() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {lines}"
        for folder in ("libs", "services", "ops", "tests", "standins", "benchmarks")
        for path in sorted((ROOT / folder).glob("**/*.py"))
        if "build" not in path.relative_to(ROOT).parts
        and (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert found == set(), (
        "split it by subject; what the parts share goes into a module beside them, fixtures into a conftest.py"
    )
