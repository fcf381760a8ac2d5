"""Every promise of the isolation of the databases, tried over connections of the services' own roles."""

import asyncio
import re
from itertools import permutations

import asyncpg
import pytest

from quartet.provision.plan import SERVICES
from tests.ops.provisioned_server import ProvisionedServer

pytestmark = pytest.mark.database
REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError)
ROLES = [f"{service}_{kind}" for service in SERVICES for kind in ("user", "owner")]


@pytest.fixture(scope="module", autouse=True)
async def tables(provisioned: ProvisionedServer) -> None:
    """A table and a sequence in each database, made by the owner as migrations do."""
    for service in SERVICES:
        await provisioned.execute(
            f"{service}_owner",
            f"{service}_db",
            "CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name citext UNIQUE)",
        )


@pytest.mark.parametrize(("role", "place"), list(permutations(SERVICES, 2)))
async def test_runtime_role_is_refused_at_every_other_services_database(
    provisioned: ProvisionedServer, role: str, place: str
) -> None:
    with pytest.raises(REFUSED):
        await provisioned.open(f"{role}_user", f"{place}_db")


@pytest.mark.parametrize("role", [*ROLES, "backup_user"])
@pytest.mark.parametrize("database", ["postgres", "template1", "template0"])
async def test_no_role_gets_into_the_servers_own_databases(
    provisioned: ProvisionedServer, role: str, database: str
) -> None:
    with pytest.raises((*REFUSED, asyncpg.ObjectNotInPrerequisiteStateError)):
        await provisioned.open(role, database)


@pytest.mark.parametrize("service", SERVICES)
async def test_backups_read_every_database_and_write_none(
    provisioned: ProvisionedServer, service: str
) -> None:
    async with provisioned.connection("backup_user", f"{service}_db") as connection:
        assert await connection.fetchval("SELECT count(*) FROM things") >= 0
        for statement in (
            "INSERT INTO things (name) VALUES ('x')",
            "DELETE FROM things",
            "CREATE TABLE mine ()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


@pytest.mark.parametrize("service", SERVICES)
async def test_runtime_role_reads_and_writes_rows_of_its_own(
    provisioned: ProvisionedServer, service: str
) -> None:
    async with provisioned.connection(f"{service}_user", f"{service}_db") as connection:
        number = await connection.fetchval("INSERT INTO things (name) VALUES ('One') RETURNING id")
        assert await connection.fetchval("SELECT name FROM things WHERE name = 'ONE'") == "One"
        assert await connection.execute("UPDATE things SET name = 'two' WHERE id = $1", number) == "UPDATE 1"
        assert await connection.execute("DELETE FROM things") == "DELETE 1"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE mine AS ENUM ('a')",
        "CREATE SEQUENCE mine",
        "CREATE INDEX ON things (name)",
        "CREATE EXTENSION hstore",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "CREATE PUBLICATION mine",
        "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        "CREATE TRIGGER mine BEFORE UPDATE ON things EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        "ALTER TABLE things ADD COLUMN more int",
        "ALTER TABLE things DISABLE TRIGGER ALL",
        "ALTER ROLE {user} CONNECTION LIMIT 100",
        "ALTER ROLE {user} SUPERUSER",
        "ALTER DATABASE {database} CONNECTION LIMIT 1",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "DROP TABLE things",
        "DROP DATABASE {database}",
        "DROP SCHEMA public CASCADE",
        "TRUNCATE things",
        "SET ROLE {owner}",
        "SET SESSION AUTHORIZATION postgres",
        "SET temp_file_limit = -1",
        "SET session_replication_role = replica",
        "COPY things TO PROGRAM 'cat'",
        "COPY things FROM PROGRAM 'echo 1'",
        "COPY things TO '/tmp/things'",
        "COPY things FROM '/etc/passwd'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_read_binary_file('postgresql.conf')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_stat_file('postgresql.conf')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_reload_conf()",
        "SELECT pg_create_physical_replication_slot('mine')",
        "LOAD 'dblink'",
        "CREATE EXTENSION dblink",
        "CREATE EXTENSION postgres_fdw",
        "CREATE EXTENSION file_fdw",
        "CREATE LANGUAGE plpython3u",
    ],
)
async def test_runtime_role_can_neither_change_the_schema_nor_leave_its_database(
    provisioned: ProvisionedServer, statement: str
) -> None:
    filled = statement.format(user="l2p_user", owner="l2p_owner", database="l2p_db")
    async with provisioned.connection("l2p_user", "l2p_db") as connection:
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.execute(filled)
    # Refused for want of a right, or because the thing is not even installed; never for a slip of this test.
    assert caught.value.sqlstate in {"42501", "58P01", "0A000"}, caught.value
    if caught.value.sqlstate == "0A000":
        assert "is not available" in str(caught.value)


async def test_runtime_role_cannot_pass_its_rights_on(provisioned: ProvisionedServer) -> None:
    await provisioned.execute(
        "l2p_user", "l2p_db", "GRANT SELECT ON things TO PUBLIC"
    )  # a warning, and no effect
    async with provisioned.connection("postgres", "l2p_db") as connection:
        rights = await connection.fetchval("SELECT relacl::text FROM pg_class WHERE relname = 'things'")
    assert ",=" not in rights
    assert "l2p_user=arwd/" in rights


async def test_runtime_role_cannot_end_anothers_connection(provisioned: ProvisionedServer) -> None:
    async with (
        provisioned.connection("l2p_owner", "l2p_db") as other,
        provisioned.connection("postgres", "postgres") as admin,
        provisioned.connection("l2p_user", "l2p_db") as connection,
    ):
        for victim in (other, admin):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SELECT pg_terminate_backend({victim.get_server_pid()})")


@pytest.mark.parametrize("role", ROLES)
async def test_role_has_no_attribute_beyond_signing_in(provisioned: ProvisionedServer, role: str) -> None:
    async with provisioned.connection("postgres", "postgres") as connection:
        row = await connection.fetchrow("SELECT * FROM pg_authid WHERE rolname = $1", role)
        groups = await connection.fetchval(
            "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid IN (m.member, m.roleid)"
            " WHERE r.rolname = $1",
            role,
        )
    assert row is not None
    rights = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls", "rolinherit")
    assert {name: row[name] for name in rights} == dict.fromkeys(rights, False)
    assert row["rolcanlogin"] is True
    assert groups == 0
    assert re.fullmatch(r"SCRAM-SHA-256\$4096:.+", row["rolpassword"])


async def test_public_may_connect_to_no_database(provisioned: ProvisionedServer) -> None:
    async with provisioned.connection("postgres", "postgres") as connection:
        open_to_all = await connection.fetch(
            "SELECT datname FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a"
            " WHERE a.grantee = 0"
        )
    assert open_to_all == []


async def test_access_rules_stand_when_connect_was_granted_to_everybody(
    provisioned: ProvisionedServer,
) -> None:
    await provisioned.execute("postgres", "postgres", "GRANT CONNECT ON DATABASE payment_db TO PUBLIC")
    try:
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="pg_hba"):
            await provisioned.open("auth_user", "payment_db")
    finally:
        await provisioned.execute("postgres", "postgres", "REVOKE CONNECT ON DATABASE payment_db FROM PUBLIC")


async def test_replication_is_refused(provisioned: ProvisionedServer) -> None:
    with pytest.raises(asyncpg.PostgresError, match=r"(?i)pg_hba|replication"):
        await asyncpg.connect(
            host="127.0.0.1",
            port=provisioned.cluster.port,
            user="auth_user",
            password=provisioned.password_of("auth_user"),
            database="auth_db",
            server_settings={"replication": "database"},
        )


async def test_wrong_and_missing_passwords_are_refused(provisioned: ProvisionedServer) -> None:
    for password in ("wrong", provisioned.password_of("l2p_user")):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await provisioned.open("auth_user", "auth_db", password=password)


async def test_runtime_role_never_has_more_connections_than_its_limit(provisioned: ProvisionedServer) -> None:
    limit = provisioned.plan["payment"].user_connections
    tries = await asyncio.gather(
        *(provisioned.open("payment_user", "payment_db") for _ in range(limit + 5)), return_exceptions=True
    )
    held = [opened for opened in tries if isinstance(opened, asyncpg.Connection)]
    refused = [fault for fault in tries if isinstance(fault, asyncpg.TooManyConnectionsError)]
    try:
        async with provisioned.connection("auth_user", "auth_db") as neighbour:
            assert await neighbour.fetchval("SELECT 1") == 1
        async with provisioned.connection("postgres", "postgres") as admin:
            counted = await admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'payment_user'"
            )
        assert (len(held), len(refused), counted) == (limit, 5, limit)
    finally:
        for connection in held:
            await connection.close()


async def test_all_limits_together_fit_the_server(provisioned: ProvisionedServer) -> None:
    async with provisioned.connection("postgres", "postgres") as connection:
        limits = await connection.fetchval(
            "SELECT sum(rolconnlimit) FROM pg_roles WHERE rolname = ANY($1)", ROLES
        )
        allowed = await connection.fetchval(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        )
    assert limits <= allowed


async def test_runtime_role_cannot_fill_the_disk_with_temporary_files(provisioned: ProvisionedServer) -> None:
    await provisioned.execute(
        "postgres", "postgres", "ALTER ROLE videovault_user SET temp_file_limit = '1MB'"
    )
    try:
        async with provisioned.connection("videovault_user", "videovault_db") as connection:
            with pytest.raises(asyncpg.ConfigurationLimitExceededError, match="temp_file_limit"):
                await connection.execute(
                    "SELECT count(*) FROM (SELECT n FROM generate_series(1, 2000000) n ORDER BY md5(n::text)) s"
                )
    finally:
        await provisioned.execute(
            "postgres", "postgres", "ALTER ROLE videovault_user SET temp_file_limit = '512MB'"
        )


@pytest.mark.parametrize("service", SERVICES)
async def test_runtime_role_starts_with_its_time_outs_and_the_owner_without(
    provisioned: ProvisionedServer, service: str
) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "temp_file_limit")
    found = {}
    for kind in ("user", "owner"):
        async with provisioned.connection(f"{service}_{kind}", f"{service}_db") as connection:
            found[kind] = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
    assert found == {"user": ["15s", "5s", "30s", "512MB"], "owner": ["0", "0", "0", "-1"]}


async def test_passwords_are_long_and_all_different(provisioned: ProvisionedServer) -> None:
    passwords = [provisioned.password_of(role) for role in ROLES]
    assert len(set(passwords)) == len(ROLES)
    assert min(len(password) for password in passwords) >= 32


async def test_append_only_table_stays_so(provisioned: ProvisionedServer) -> None:
    await provisioned.execute(
        "auth_owner",
        "auth_db",
        "CREATE TABLE events (id int)",
        "REVOKE UPDATE, DELETE ON events FROM auth_user",
    )
    async with provisioned.connection("auth_user", "auth_db") as connection:
        await connection.execute("INSERT INTO events VALUES (1)")
        for statement in ("UPDATE events SET id = 2", "DELETE FROM events", "TRUNCATE events"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        assert await connection.fetchval("SELECT id FROM events") == 1


async def test_statement_statistics_are_kept_where_no_service_can_look(
    provisioned: ProvisionedServer,
) -> None:
    async with provisioned.connection("postgres", "postgres") as connection:
        assert await connection.fetchval("SELECT count(*) > 0 FROM monitoring.pg_stat_statements")
    async with provisioned.connection("auth_user", "auth_db") as connection:
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.execute("SELECT * FROM pg_stat_statements")


@pytest.mark.parametrize("service", SERVICES)
async def test_only_the_owner_takes_advisory_locks(provisioned: ProvisionedServer, service: str) -> None:
    async with provisioned.connection(f"{service}_owner", f"{service}_db") as connection:
        names = await connection.fetch(
            "SELECT DISTINCT proname FROM pg_proc WHERE proname ~ '^pg_.*advisory' AND proname !~ 'unlock'"
        )
        every = [f"SELECT {name}({key})" for (name,) in names for key in ("1", "1, 2")]
        for statement in every:
            await connection.execute(statement)
    assert len(every) == 16
    async with provisioned.connection(f"{service}_user", f"{service}_db") as connection:
        for statement in every:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for function"):
                await connection.execute(statement)


@pytest.mark.parametrize(
    "greedy",
    [
        "SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 200000) g",
        "SELECT count(pg_advisory_xact_lock(g)) FROM generate_series(1, 200000) g",
    ],
)
async def test_a_statement_of_one_service_cannot_fill_the_servers_lock_table(
    provisioned: ProvisionedServer, greedy: str
) -> None:
    async with provisioned.connection("l2p_user", "l2p_db") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(greedy)
        async with provisioned.connection("payment_user", "payment_db") as other:
            assert await other.fetchval("SELECT count(*) FROM things") == 0
