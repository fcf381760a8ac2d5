"""Which faults are the database's, which rule refused a write, and what the keys of rows look like."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Integer, MetaData, Text, column, select, table, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CheckConstraint, CreateTable, ForeignKey, Index, UniqueConstraint

from dbcommon.constraints import violated_constraint
from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable, PoolExhausted, translate
from dbcommon.models import NAMING_CONVENTION, PrimaryKey, new_id, new_metadata
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.servers import TestServer

TABLES = """
CREATE TABLE owners (id int PRIMARY KEY, name text, CONSTRAINT uq_owners_name UNIQUE (name),
    CONSTRAINT ck_owners_name CHECK (name <> ''));
CREATE UNIQUE INDEX uq_owners_lower_name ON owners (lower(name));
CREATE TABLE things (id int PRIMARY KEY, owner_id int NOT NULL CONSTRAINT fk_things_owner_id_owners REFERENCES owners);
GRANT ALL ON owners, things TO auth_user;
"""


@pytest.fixture(scope="module")
async def database(bare_server: TestServer) -> AsyncIterator[Database]:
    admin = await bare_server.connect()
    await admin.execute("CREATE DATABASE errors_db OWNER auth_owner TEMPLATE template0")
    await admin.execute("GRANT CONNECT ON DATABASE errors_db TO auth_user")
    await admin.close()
    inside = await bare_server.connect("errors_db")
    await inside.execute(TABLES)
    await inside.execute("GRANT USAGE ON SCHEMA public TO auth_user")
    await inside.close()
    settings = DatabaseSettings(
        url=bare_server.url("auth", database="errors_db"), pool=PoolSettings(min=1, max=3, wait_seconds=0.5)
    )
    database = Database(settings, application_name="errors")
    async with database.running():
        yield database


async def run(database: Database, *statements: str, pause: float = 0) -> None:
    async with database.transaction() as db:
        for statement in statements:
            await db.execute(text(statement))
            await asyncio.sleep(pause)


async def fails(database: Database, *statements: str, pause: float = 0) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is what the tests are about
        await run(database, *statements, pause=pause)
    assert isinstance(caught.value, Exception)
    return caught.value


@pytest.mark.parametrize(
    ("statements", "name"),
    [
        (["INSERT INTO owners VALUES (1, 'a')", "INSERT INTO owners VALUES (1, 'b')"], "owners_pkey"),
        (["INSERT INTO owners VALUES (1, 'a')", "INSERT INTO owners VALUES (2, 'a')"], "uq_owners_name"),
        (
            ["INSERT INTO owners VALUES (1, 'a')", "INSERT INTO owners VALUES (2, 'A')"],
            "uq_owners_lower_name",
        ),
        (["INSERT INTO owners VALUES (1, '')"], "ck_owners_name"),
        (["INSERT INTO things VALUES (1, 99)"], "fk_things_owner_id_owners"),
        (["INSERT INTO things VALUES (1, NULL)"], None),
    ],
)
async def test_the_constraint_that_refused_a_write_is_named(
    database: Database, statements: list[str], name: str | None
) -> None:
    error = await fails(database, *statements)
    assert isinstance(error, IntegrityError)
    assert violated_constraint(error) == name
    assert translate(error) is None


async def test_of_many_that_claim_a_name_at_once_all_but_one_violate_the_constraint(
    database: Database,
) -> None:
    async def claim(number: int) -> str | None:
        try:
            async with database.transaction() as db:
                await db.execute(text("INSERT INTO owners VALUES (:id, 'wanted')"), {"id": number})
        except IntegrityError as error:
            return violated_constraint(error)
        return None

    names = await asyncio.gather(*(claim(number) for number in (100, 101, 102)))
    assert sorted(names, key=str) == [None, "uq_owners_name", "uq_owners_name"]
    rows = await database.fetch_all(text("SELECT id FROM owners WHERE name = 'wanted'"))
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SET LOCAL statement_timeout = '20ms'\nSELECT pg_sleep(2)", DatabaseBusy),
        ("SELECT pg_terminate_backend(pg_backend_pid())", DatabaseUnavailable),
        # A primary that became a standby takes no writes; the next connection may lead to the new primary.
        ("SET TRANSACTION READ ONLY\nINSERT INTO owners VALUES (900, 'x')", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", DatabaseBusy),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", DatabaseBusy),
        ("DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", DatabaseBusy),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '08006'; END $$", DatabaseUnavailable),
    ],
)
async def test_a_fault_of_the_database_is_told_from_a_mistake(
    database: Database, statement: str, kind: type[DatabaseError]
) -> None:
    error = await fails(database, *statement.split("\n"))
    assert type(error) is kind
    assert error.__cause__ is not None
    assert (await database.fetch_one(text("SELECT 1"))) is not None


async def test_a_transaction_that_idles_too_long_is_ended_as_unavailable(database: Database) -> None:
    limit = "SET LOCAL idle_in_transaction_session_timeout = '20ms'"
    assert type(await fails(database, limit, "SELECT 1", pause=0.3)) is DatabaseUnavailable


@pytest.mark.parametrize(
    "statement",
    [
        "SELEC 1",
        "SELECT * FROM no_such_table",
        "SELECT 1 / 0",
        "DROP TABLE owners",
        "DO $$ BEGIN RAISE 'x'; END $$",
    ],
)
async def test_a_mistake_stays_a_mistake(database: Database, statement: str) -> None:
    error = await fails(database, statement)
    assert isinstance(error, DBAPIError)
    assert translate(error) is None


async def test_a_deadlock_ends_one_of_two_as_busy(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(text("INSERT INTO owners VALUES (201, 'one'), (202, 'two')"))
    both = asyncio.Barrier(2)

    async def update(first: int, second: int) -> type[Exception] | None:
        try:
            async with database.transaction() as db:
                statement = text("UPDATE owners SET name = name WHERE id = :id")
                await db.execute(statement, {"id": first})
                await both.wait()
                await db.execute(statement, {"id": second})
        except DatabaseError as error:
            return type(error)
        return None

    ends = await asyncio.gather(update(201, 202), update(202, 201))
    assert sorted(ends, key=str) == sorted([None, DatabaseBusy], key=str)


# A table that is changed under a running service.

NAMES = select(column("name", Text)).select_from(table("changed", column("id", Integer))).order_by(text("id"))

BY_DRIVER = DriverStatement(NAMES)


async def read_with_core(database: Database) -> list[str]:
    return [row.name for row in await database.fetch_all(NAMES)]


async def read_first_with_core(database: Database) -> list[str]:
    row = await database.fetch_one(NAMES.limit(1))
    return [] if row is None else [row.name]


async def read_with_driver(database: Database) -> list[str]:
    return [row["name"] for row in await database.fetch_records(BY_DRIVER)]


async def read_first_with_driver(database: Database) -> list[str]:
    row = await database.fetch_record(BY_DRIVER)
    return [] if row is None else [row["name"]]


async def write_with_core(database: Database) -> list[str]:
    statement = text("UPDATE changed SET id = id WHERE id = 1 RETURNING name")
    return [row.name for row in await database.fetch_all(statement)]


async def read_in_transaction(database: Database) -> list[str]:
    async with database.transaction() as db:
        return list(await db.scalars(NAMES))


@pytest.fixture
async def changing(
    bare_server: TestServer, database: Database
) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """A table of one row, and how its column gets another type."""
    inside = await bare_server.connect(database.settings.url.database)
    await inside.execute("CREATE TABLE changed (id int, name varchar(20)); GRANT ALL ON changed TO auth_user")
    await inside.execute("INSERT INTO changed VALUES (1, 'Ada')")

    async def change(kind: str) -> None:
        await inside.execute(f"ALTER TABLE changed ALTER COLUMN name TYPE {kind}")

    yield change
    await inside.execute("DROP TABLE changed")
    await inside.close()


@pytest.mark.parametrize(
    "read", [read_with_core, read_first_with_core, read_with_driver, read_first_with_driver, write_with_core]
)
async def test_a_statement_survives_a_change_of_its_table(
    database: Database,
    changing: Callable[[str], Awaitable[None]],
    read: Callable[[Database], Awaitable[list[str]]],
) -> None:
    for kind in ("text", "varchar(30)", "text"):
        # Enough concurrent reads that each connection of the pool has prepared the statement.
        assert await asyncio.gather(*(read(database) for _ in range(3))) == [["Ada"]] * 3
        await changing(kind)
        assert await asyncio.gather(*(read(database) for _ in range(3))) == [["Ada"]] * 3


async def test_a_transaction_whose_table_was_changed_is_busy_once(
    database: Database, changing: Callable[[str], Awaitable[None]]
) -> None:
    assert await read_in_transaction(database) == ["Ada"]
    await changing("text")
    with pytest.raises(DatabaseBusy, match="changed"):
        await read_in_transaction(database)
    assert await read_in_transaction(database) == ["Ada"]


def test_an_error_that_breaks_a_connection_is_a_database_error() -> None:
    for error in (ConnectionResetError(), ConnectionRefusedError(), BrokenPipeError(), ConnectionError()):
        assert isinstance(translate(error), DatabaseUnavailable)
    assert isinstance(translate(PoolTimeoutError("full")), PoolExhausted)
    lost = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    assert isinstance(translate(DBAPIError("SELECT 1", None, lost)), DatabaseUnavailable)
    closed = asyncpg.InterfaceError("cannot perform operation: connection is closed")
    assert isinstance(translate(DBAPIError("SELECT 1", None, closed)), DatabaseUnavailable)


def test_errors_of_other_sources_are_left_alone() -> None:
    for error in (ValueError(), KeyError(), FileNotFoundError(), RuntimeError(), asyncio.CancelledError()):
        assert translate(error) is None
    own = DatabaseBusy("already translated")
    assert translate(own) is own


def test_each_database_error_has_a_retry_after() -> None:
    for kind in (DatabaseUnavailable, PoolExhausted, DatabaseBusy):
        assert kind("x").retry_after >= 1


# Models.


class Model(DeclarativeBase):
    metadata = new_metadata()


class Owner(Model):
    __tablename__ = "owners"
    __table_args__ = (
        CheckConstraint("length(name) > 0", name="name"),
        UniqueConstraint("name", "town"),
        Index(None, "town"),
    )
    id: Mapped[PrimaryKey]
    name: Mapped[str]
    town: Mapped[str]


class Thing(Model):
    __tablename__ = "things"
    id: Mapped[PrimaryKey]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owners.id"))


def test_constraints_have_names_of_ours() -> None:
    metadata: MetaData = Model.metadata
    names = {
        str(constraint.name) for table in metadata.tables.values() for constraint in table.constraints
    } | {str(index.name) for table in metadata.tables.values() for index in table.indexes}
    assert names == {
        "pk_owners",
        "ck_owners_name",
        "uq_owners_name_town",
        "ix_owners_town",
        "pk_things",
        "fk_things_owner_id_owners",
    }
    assert set(NAMING_CONVENTION) == {"ix", "uq", "ck", "fk", "pk"}


def test_keys_are_made_by_the_application_and_by_plain_sql_too() -> None:
    written = str(CreateTable(Model.metadata.tables["owners"]))
    assert "DEFAULT gen_random_uuid()" in written
    default: Any = Model.metadata.tables["owners"].c.id.default
    assert default.arg(None).version == 7


def test_keys_are_in_the_order_of_their_making() -> None:
    made = [new_id() for _ in range(10_000)]
    assert {key.version for key in made} == {7}
    assert len(set(made)) == 10_000
    assert made == sorted(made)
    assert all(earlier.int >> 80 <= later.int >> 80 for earlier, later in itertools.pairwise(made))


def test_a_driver_that_lost_track_of_the_server_is_a_broken_connection() -> None:
    lost = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    assert isinstance(translate(lost), DatabaseUnavailable)


async def test_a_connection_lost_between_two_steps_of_a_statement_is_a_loss(bare_server: TestServer) -> None:
    connection = await bare_server.connect()
    connection.terminate()
    with pytest.raises(AttributeError) as caught:
        # What the driver does next for a statement with types that it has not seen yet.
        await connection._introspect_types({16_384}, timeout=1)  # type: ignore[attr-defined]  # noqa: SLF001
    assert isinstance(translate(caught.value), DatabaseUnavailable)


def test_a_missing_attribute_of_our_own_is_no_loss() -> None:
    nothing: Any = None
    with pytest.raises(AttributeError) as caught:
        _ = nothing.bind_execute
    assert translate(caught.value) is None
