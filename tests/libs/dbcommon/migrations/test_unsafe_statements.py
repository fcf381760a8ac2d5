"""No migration rewrites a table, or locks it for long: squawk reads the statements that each revision ran."""

import asyncio
import contextlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import alembic_config, upgrade
from quartet.processes import run
from quartet.provision.plan import SERVICES
from tests.libs.dbcommon.migrations.migrating import (
    Database,
    EmptyDatabase,
    add_concurrent_revision,
)
from tests.libs.sample_service import SampleService

LEFT_OUT = (
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-repack",
    "prefer-robust-stmts",  # a revision is one transaction
    "prefer-text-field",
    "prefer-timestamp-tz",
    "require-lock-timeout",  # each run sets one
    "require-statement-timeout",
    "ban-drop-constraint",
    "ban-drop-not-null",
)
"""Matters of taste, and what cannot block or is seen to elsewhere."""

_CHECK = "constraint-missing-not-valid"
_INDEX = "require-concurrent-index-creation"
_RENAMES = "before the first release: no older version runs beside it"
_EMPTY = "before the first release: no table is large"

EXEMPT: Mapping[str, tuple[str, frozenset[str]]] = {
    "auth google": (f"another event; {_EMPTY}", frozenset({_CHECK})),
    "auth second_factors": (f"more events and kinds; {_EMPTY}", frozenset({_CHECK})),
    "auth session_client": (f"a CHECK of a new column; {_EMPTY}", frozenset({_CHECK})),
    "auth session_details": (f"CHECKs and indexes of new columns; {_EMPTY}", frozenset({_CHECK, _INDEX})),
    "auth standard_clients": (f"a CHECK of new columns; {_EMPTY}", frozenset({_CHECK})),
    "auth google_for_clients": ("its table holds states of ten minutes", frozenset({_CHECK})),
    "auth unproven_addresses": (f"another event; {_EMPTY}", frozenset({_CHECK})),
    "auth farewell_mail": (f"another kind of mail; {_EMPTY}", frozenset({_CHECK})),
    "auth role_events": (f"more events; {_EMPTY}", frozenset({_CHECK})),
    "auth withheld_accounts": (
        f"a key, a CHECK and indexes of new columns; {_EMPTY}",
        frozenset({_CHECK, _INDEX, "adding-foreign-key-constraint"}),
    ),
    "auth account_and_session_names": (_RENAMES, frozenset({"renaming-column", "renaming-object"})),
    "auth attempt_counter_names": (_RENAMES, frozenset({"renaming-column", "renaming-object"})),
    "auth mail_names": (
        f"{_RENAMES}, and {_EMPTY}",
        frozenset(
            {_CHECK, _INDEX, "require-concurrent-index-deletion", "renaming-column", "renaming-table", "renaming-object"}
        ),
    ),
    "l2p attempt_counter_names": (_RENAMES, frozenset({"renaming-column", "renaming-object"})),
    "l2p live_games": (
        f"columns of games that could not be played before; {_EMPTY}",
        frozenset({_CHECK, _INDEX, "adding-field-with-default"}),
    ),
    "l2p hosting": (
        f"columns of guests, who could not play before; {_EMPTY}",
        frozenset({_CHECK, _INDEX, "adding-foreign-key-constraint"}),
    ),
    "payment idempotency_in_progress": (
        "its table holds the keys of a day", frozenset({_CHECK, "adding-field-with-default"}),
    ),
    "payment lists_by_status": (
        f"of orders that could not be paid before; {_EMPTY}", frozenset({_INDEX}),
    ),
    "payment legal_moves": (
        _EMPTY, frozenset({_INDEX, "require-concurrent-index-deletion"}),
    ),
    "payment payments_at_stripe": (
        f"columns of orders that could not be paid before; {_EMPTY}",
        frozenset({_CHECK, _INDEX, "disallowed-unique-constraint"}),
    ),
    "videovault query": (_EMPTY, frozenset({_INDEX, "require-concurrent-index-deletion"})),
    "videovault rows": (f"more entities, an index of a column; {_EMPTY}", frozenset({_CHECK, _INDEX})),
    "videovault viewings": (
        f"columns and indexes of viewings, which nothing wrote before; {_EMPTY}",
        frozenset({_CHECK, _INDEX, "disallowed-unique-constraint", "adding-field-with-default", "ban-drop-column"}),
    ),
    "payment users_token_expires_at": (_RENAMES, frozenset({"renaming-column"})),
}  # fmt: skip
"""Revisions that break rules of squawk: why they may, and which."""

UNSAFE = {
    "adding-not-nullable-field": 'op.alter_column("things", "name", nullable=False)',
    "changing-column-type": 'op.alter_column("things", "id", type_=sa.BigInteger)',
    "adding-required-field": 'op.add_column("things", sa.Column("required", sa.Text, nullable=False))',
    "adding-field-with-default": 'op.execute("ALTER TABLE things ADD token uuid DEFAULT gen_random_uuid()")',
    "require-concurrent-index-creation": 'op.create_index("by_name", "things", ["name"])',
    "disallowed-unique-constraint": 'op.create_unique_constraint("one_name", "things", ["name"])',
    "constraint-missing-not-valid": 'op.create_check_constraint("short", "things", "size < 9")',
    "renaming-column": 'op.alter_column("things", "name", new_column_name="title")',
    "ban-drop-column": 'op.drop_column("things", "title")',
}
"""A statement that breaks each of these rules of squawk."""

_RECORDED = re.compile(r"(?:INSERT INTO|UPDATE) alembic_version .*?'(?P<revision>\w+)'", re.DOTALL)


@contextlib.contextmanager
def captured_statements() -> Iterator[dict[str, list[str]]]:
    """Collect what engines of this process run, by the revision that is recorded after it."""
    statements: dict[str, list[str]] = {}
    run_so_far: list[str] = []

    def capture(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if recorded := _RECORDED.match(statement):
            statements[recorded["revision"]] = list(run_so_far)
            run_so_far.clear()
        else:
            run_so_far.append(statement)

    event.listen(Engine, "before_cursor_execute", capture)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", capture)


def write_statements(folder: Path, service: str, owner: DatabaseUrl) -> None:
    """Apply a service's migrations; writes the statements of each into a file, apart by whether it runs in a transaction."""
    with captured_statements() as statements:
        upgrade(service, owner)
    for script in ScriptDirectory.from_config(alembic_config(service)).walk_revisions():
        kind = "alone" if getattr(script.module, "concurrently", False) else "in_transaction"
        (folder / kind).mkdir(exist_ok=True)
        text = "".join(f"{statement};\n" for statement in statements[script.revision])
        (folder / kind / f"{service} {script.revision}.sql").write_text(text)


def broken_rules(folder: Path) -> dict[str, set[str]]:
    """The rules that each revision breaks, by service and revision."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind, options in (("in_transaction", ["--assume-in-transaction"]), ("alone", [])):
        for fault in squawk(sorted((folder / kind).glob("*.sql")), options):
            found[Path(fault["file"]).stem].add(fault["rule_name"])
    return dict(found)


def squawk(files: Iterable[Path], options: Iterable[str]) -> list[dict[str, Any]]:
    """What squawk finds in the files; it exits with 1 when that is anything."""
    if not (names := [str(file) for file in files]):
        return []
    program = Path(sys.executable).with_name("squawk")
    left_out = [f"--exclude={rule}" for rule in LEFT_OUT]
    done = run([str(program), "--pg-version=15.0", "--reporter=json", *options, *left_out, *names])
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert done.returncode == (1 if found else 0), done.stderr
    return found


async def test_no_revision_rewrites_a_table_or_locks_it_for_long(
    empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    for service in SERVICES:
        owner, _ = await empty_database(service)
        await asyncio.to_thread(write_statements, tmp_path, service, owner)
    assert broken_rules(tmp_path) == {revision: rules for revision, (_, rules) in EXEMPT.items()}


async def test_statements_that_are_unsafe_on_a_large_table_are_found(
    sample: SampleService, urls: Database, tmp_path: Path
) -> None:
    names = ["third", *(f"unsafe_{number}" for number in range(len(UNSAFE)))]
    for before, name, up in zip(names, names[1:], UNSAFE.values(), strict=False):
        sample.add_revision(name, before=before, up=up, down="pass")
    await asyncio.to_thread(write_statements, tmp_path, sample.name, urls[0])
    found = broken_rules(tmp_path)
    assert list(found) == [f"{sample.name} {name}" for name in names[1:]]
    for rule, broken in zip(UNSAFE, found.values(), strict=True):
        assert rule in broken


async def test_an_index_that_is_built_concurrently_and_alone_is_safe(
    sample: SampleService, urls: Database, tmp_path: Path
) -> None:
    add_concurrent_revision(sample)
    await asyncio.to_thread(write_statements, tmp_path, sample.name, urls[0])
    (file,) = (tmp_path / "alone").glob("*.sql")
    assert "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_name" in file.read_text()
    assert broken_rules(tmp_path) == {}
    # The same in a transaction, where PostgreSQL would refuse it.
    file.rename(tmp_path / "in_transaction" / file.name)
    assert broken_rules(tmp_path) == {file.stem: {"ban-concurrent-index-creation-in-transaction"}}
