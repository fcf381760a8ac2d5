"""The tables that models call append-only, and those that migrations made so."""

import json
from pathlib import Path

import pytest

from quartet.provision.append_only import append_only_tables
from quartet.provision.plan import SERVICES
from tests.servers import TestServer


@pytest.mark.parametrize("service", SERVICES)
async def test_the_runtime_role_may_change_rows_of_all_tables_but_those_called_append_only(
    server: TestServer, service: str
) -> None:
    connection = await server.connect(server.plan[service].database)
    try:
        closed = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND NOT (has_table_privilege($1, oid, 'UPDATE') AND has_table_privilege($1, oid, 'DELETE'))",
            server.plan[service].user,
        )
    finally:
        await connection.close()
    assert {row["relname"] for row in closed} == append_only_tables(service) | {"alembic_version"}


def test_a_service_that_is_not_installed_has_no_append_only_table() -> None:
    assert append_only_tables("chess") == frozenset()
    assert append_only_tables("auth") == {"audit_events"}


def test_remembered_tables_are_read_until_the_models_change(tmp_path: Path) -> None:
    remembered = tmp_path / "tables.json"
    assert append_only_tables("auth", remembered=remembered) == {"audit_events"}
    models, tables = json.loads(remembered.read_text())["auth"]
    assert tables == ["audit_events"]
    for files, expected in ((models, {"mails"}), (models[1:], {"audit_events"})):
        remembered.write_text(json.dumps({"auth": [files, ["mails"]]}))
        assert append_only_tables("auth", remembered=remembered) == expected
