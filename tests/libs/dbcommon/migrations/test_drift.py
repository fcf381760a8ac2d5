"""Drift between the database, the migrations and the models; the known revisions."""

import asyncio
import re
from pathlib import Path

import pytest

from dbcommon.migration_status import read_status
from dbcommon.migrations import create_revision, known_revisions, migrations_folder, pending_revisions
from tests.libs.dbcommon.migrations.migrating import (
    Database,
    add_concurrent_revision,
    connect,
    migrate,
    status_of,
    tables,
)
from tests.libs.sample_service import SampleService, sample_metadata
from tests.servers import TestServer

OBJECTS = (
    "ALTER TABLE things ADD CONSTRAINT positive CHECK (size > 0)",
    "ALTER TABLE entries ADD CONSTRAINT of_thing FOREIGN KEY (id) REFERENCES things",
    "CREATE INDEX by_size ON things (size)",
    "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER stamp BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION stamp()",
)
STAMP = "CREATE TRIGGER stamp BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION stamp()"


ALTERED = {
    "ALTER TABLE things ADD COLUMN by_hand text": "column things.by_hand is in no migration",
    "ALTER TABLE things ALTER COLUMN size TYPE bigint": "column things.size: bigint, not integer",
    "ALTER TABLE things ALTER COLUMN name SET NOT NULL, ALTER COLUMN name SET DEFAULT 'x'": (
        "column things.name: text NOT NULL DEFAULT 'x'::text, not text"
    ),
    "CREATE INDEX by_hand ON things (name)": "index by_hand is in no migration",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_size'::regclass": (
        "index by_size: CREATE INDEX by_size ON things USING btree (size) (invalid),"
        " not CREATE INDEX by_size ON things USING btree (size)"
    ),
    "CREATE TABLE leftover (id serial PRIMARY KEY)": "table leftover is in no migration",
    "CREATE VIEW seen AS SELECT 1": "view seen is in no migration",
    "CREATE SEQUENCE numbers": "sequence numbers is in no migration",
    "CREATE TYPE mood AS ENUM ('a')": "type mood is in no migration",
    "ALTER TABLE entries DROP CONSTRAINT of_thing,"
    " ADD CONSTRAINT of_thing FOREIGN KEY (id) REFERENCES things ON DELETE CASCADE": (
        "foreign key entries.of_thing: FOREIGN KEY (id) REFERENCES things(id) ON DELETE CASCADE,"
        " not FOREIGN KEY (id) REFERENCES things(id)"
    ),
    "ALTER TABLE things DISABLE TRIGGER stamp": f"trigger things.stamp: {STAMP} (disabled), not {STAMP}",
    "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'": (
        "function stamp(): differs"
    ),
    "REVOKE SELECT ON things FROM auth_user": (
        "grant on table things to auth_user: DELETE, INSERT, UPDATE, not DELETE, INSERT, SELECT, UPDATE"
    ),
    "GRANT UPDATE (text) ON entries TO auth_user": (
        "grant on column entries.text to auth_user is in no migration"
    ),
}


DROPPED = {
    "DROP TABLE entries": "table entries is missing",
    "ALTER TABLE things DROP CONSTRAINT positive": "CHECK things.positive is missing",
    "ALTER TABLE things DROP CONSTRAINT things_pkey": "primary key things.things_pkey is missing",
    "DROP INDEX by_size": "index by_size is missing",
    "ALTER TABLE things DROP COLUMN size": "column things.size is missing",
    "DROP TRIGGER stamp ON things": "trigger things.stamp is missing",
    "DROP FUNCTION stamp()": "function stamp() is missing",
}


@pytest.mark.parametrize("changes", [ALTERED, DROPPED], ids=["altered", "dropped"])
async def test_a_change_by_hand_is_told_as_drift(
    bare_server: TestServer, sample: SampleService, urls: Database, changes: dict[str, str]
) -> None:
    owner, _ = urls
    up = "\n    ".join(f'op.execute("{each}")' for each in OBJECTS)
    sample.add_revision("fourth", before="third", up=up, down="pass")
    add_concurrent_revision(sample, name="fifth", before="fourth")
    await migrate(sample.name, owner)
    assert all("differ from the models" in line for line in (await status_of(sample, owner))[2])
    connection = await bare_server.connect(owner.database)  # only the superuser may mark an index as invalid
    await connection.execute(f"SET allow_system_table_mods = on; SET ROLE {owner.user}")
    for change in changes:
        if "pg_index" in change:
            await connection.execute(f"RESET ROLE; {change}; SET ROLE {owner.user}")
        else:
            await connection.execute(change)
    await connection.close()
    told = [line for line in (await status_of(sample, owner))[2] if "models" not in line]
    assert sorted(told) == sorted(changes.values())


async def test_what_belongs_to_an_extension_is_no_drift(
    bare_server: TestServer, sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    await migrate(sample.name, owner)
    connection = await bare_server.connect(owner.database)
    await connection.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")
    await connection.close()
    assert await status_of(sample, owner) == ("third", (), ())


async def test_two_heads_are_told_in_one_line(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    for name in ("left", "right"):
        sample.add_revision(name, before="third", up="pass", down="pass")
    await migrate(sample.name, owner, revision="third")
    status = await asyncio.to_thread(read_status, sample.name, owner, metadata=sample_metadata())
    assert (status.current, status.pending) == ("third", ())
    (line,) = status.drift
    assert re.fullmatch(r"the code has two heads: (left, right|right, left)", line)
    connection = await connect(owner)
    await connection.execute("UPDATE alembic_version SET version_num = 'left'")
    await connection.execute("INSERT INTO alembic_version VALUES ('right')")
    await connection.close()
    sample.add_revision("joined", before=("left", "right"), up="pass", down="pass")
    status = await asyncio.to_thread(read_status, sample.name, owner, metadata=sample_metadata())
    (line,) = status.drift
    assert re.fullmatch(r"the database has two heads: (left, right|right, left)", line)


async def test_what_the_models_lack_is_told_of_the_migrations(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    sample.add_revision(
        "fourth",
        before="third",
        up='op.add_column("things", sa.Column("more", sa.Text))',
        down='op.drop_column("things", "more")',
    )
    await migrate(sample.name, owner, revision="third")
    assert await status_of(sample, owner) == ("third", ("fourth",), ())
    await migrate(sample.name, owner)
    (line,) = (await status_of(sample, owner))[2]
    assert line.startswith("the migrations differ from the models: remove_column things")


async def test_a_new_revision_holds_what_the_models_have_and_the_migrations_lack(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    (sample.versions / "third.py").unlink()
    await migrate(sample.name, owner)
    connection = await connect(owner)
    await connection.execute("DROP TABLE entries")  # by hand: not the migration's business
    path = await asyncio.to_thread(create_revision, sample.name, owner, message="the_size")
    assert path is not None
    assert (path.parent, path.name[-12:]) == (sample.versions, "_the_size.py")
    added = [line.strip() for line in path.read_text().splitlines() if "op." in line]
    assert added == [
        "op.add_column('things', sa.Column('size', sa.Integer(), nullable=True))",
        "op.drop_column('things', 'size')",
    ]
    assert "revision = 'the_size'\ndown_revision = 'second'" in path.read_text()
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "second"
    assert await tables(owner) == ["alembic_version", "things"]
    schemas = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'quartet%'")
    await connection.close()
    assert schemas == []
    again = await asyncio.to_thread(create_revision, sample.name, owner, message="again", writes_empty=False)
    assert again is None


async def test_revisions_are_known_in_their_order(sample: SampleService) -> None:
    assert known_revisions(sample.name) == ("first", "second", "third")
    assert pending_revisions(sample.name, None) == ("first", "second", "third")
    assert pending_revisions(sample.name, "second") == ("third",)
    assert pending_revisions(sample.name, "third") == ()
    assert pending_revisions(sample.name, "unknown") == ()


async def test_the_migrations_of_a_package_are_found_or_named_as_missing(
    sample: SampleService, tmp_path: Path
) -> None:
    assert migrations_folder(sample.name) == tmp_path / sample.name / "migrations"
    with pytest.raises(LookupError, match="is not installed"):
        migrations_folder("no_such_service")
    with pytest.raises(LookupError, match="no migrations of 'json'"):
        migrations_folder("json")
