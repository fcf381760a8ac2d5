"""Migrations are undone without a loss of rows, and the runtime role has no more rights than it needs."""

import asyncio

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from dbcommon.data_loss import WouldLoseData
from dbcommon.migrations import downgrade
from tests.libs.dbcommon.migrations.migrating import Database, connect, migrate, status_of
from tests.libs.sample_service import SampleService


@pytest.mark.parametrize(
    ("rows", "revision", "lost"),
    [
        ("INSERT INTO things (id) VALUES (1)", "-1", ["column things.size"]),
        ("INSERT INTO entries (id) VALUES (1)", "first", ["table entries"]),
        ("INSERT INTO entries (id) VALUES (1)", "second", []),
        ("SELECT 1", "base", []),
    ],
)
async def test_undoing_keeps_what_has_rows(
    sample: SampleService, urls: Database, rows: str, revision: str, lost: list[str]
) -> None:
    owner, _ = urls
    await migrate(sample.name, owner)
    connection = await connect(owner)
    await connection.execute(rows)
    if lost:
        with pytest.raises(WouldLoseData) as caught:
            await asyncio.to_thread(downgrade, sample.name, owner, revision=revision, keeps_data=True)
        assert caught.value.lost == lost
        assert await status_of(sample, owner) == ("third", (), ())
    undone = await asyncio.to_thread(downgrade, sample.name, owner, revision=revision, keeps_data=not lost)
    await connection.close()
    expected = {"-1": 1, "second": 1, "first": 2, "base": 3}[revision]
    assert undone == ("third", "second", "first")[:expected]


async def test_what_a_migration_drops_with_rows_in_it_is_reported(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    sample.add_revision("fourth", before="third", up='op.drop_table("entries")', down="pass")
    sample.add_revision("fifth", before="fourth", up='op.drop_column("things", "size")', down="pass")
    await migrate(sample.name, owner, revision="third")
    connection = await connect(owner)
    await connection.execute("INSERT INTO entries (id) VALUES (1)")
    await connection.close()
    losses: dict[str, list[str]] = {}
    await migrate(sample.name, owner, losses=losses)
    assert losses == {"fourth": ["table entries"]}


async def test_undoing_keeps_rows_and_what_was_only_renamed(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    sample.add_revision("fourth", before="third", up="pass", down='op.execute("DELETE FROM things")')
    sample.add_revision(
        "fifth",
        before="fourth",
        up='op.rename_table("things", "items")\n    op.alter_column("items", "name", new_column_name="title")',
        down='op.rename_table("items", "things")\n    op.alter_column("things", "title", new_column_name="name")',
    )
    await migrate(sample.name, owner)
    connection = await connect(owner)
    await connection.execute("INSERT INTO items (id) VALUES (1)")
    assert await asyncio.to_thread(downgrade, sample.name, owner, keeps_data=True) == ("fifth",)
    with pytest.raises(WouldLoseData) as caught:
        await asyncio.to_thread(downgrade, sample.name, owner, keeps_data=True)
    assert caught.value.lost == ["rows of things"]
    assert await connection.fetchval("SELECT count(*) FROM things") == 1
    await connection.close()


async def test_the_runtime_role_reads_its_revision_and_cannot_write_it(
    sample: SampleService, urls: Database
) -> None:
    owner, user = urls
    await migrate(sample.name, owner)
    connection = await connect(user)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "third"
    for statement in (
        "UPDATE alembic_version SET version_num = 'x'",
        "INSERT INTO alembic_version VALUES ('x')",
        "DELETE FROM alembic_version",
        "TRUNCATE alembic_version",
        "DROP TABLE alembic_version",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_the_runtime_role_cannot_migrate(sample: SampleService, urls: Database) -> None:
    _, user = urls
    with pytest.raises(DBAPIError):
        await migrate(sample.name, user)


async def test_append_only_tables_take_rows_and_keep_them(sample: SampleService, urls: Database) -> None:
    owner, user = urls
    await migrate(sample.name, owner)
    connection = await connect(user)
    await connection.execute("INSERT INTO entries (id, text) VALUES (1, 'kept')")
    for statement in ("UPDATE entries SET text = 'x'", "DELETE FROM entries", "TRUNCATE entries"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert await connection.fetchval("SELECT text FROM entries") == "kept"
    await connection.execute("INSERT INTO things (id) VALUES (1)")
    await connection.execute("UPDATE things SET name = 'x'")
    await connection.execute("DELETE FROM things")
    await connection.close()


@pytest.mark.parametrize("grantee", ["the role", "PUBLIC"])
@pytest.mark.parametrize("columns", ["", " (name)"])
async def test_a_table_made_append_only_leaves_no_right_on_a_column(
    sample: SampleService, urls: Database, grantee: str, columns: str
) -> None:
    owner, user = urls
    named = "PUBLIC" if grantee == "PUBLIC" else user.user
    statements = (f"REVOKE ALL ON things FROM {user.user}", f"GRANT UPDATE{columns} ON things TO {named}")
    sample.add_revision(
        "fourth",
        before="third",
        up="\n    ".join(f'op.execute("{statement}")' for statement in statements)
        + '\n    make_append_only(["things"])',
        down="pass",
    )
    await migrate(sample.name, owner)
    connection = await connect(user)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("UPDATE things SET name = 'x'")
    held = await connection.fetchval("SELECT has_any_column_privilege('things', 'UPDATE')")
    await connection.close()
    assert held is False
