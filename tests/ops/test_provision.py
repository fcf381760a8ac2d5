"""Provisioning: changes nothing twice, repairs drift, rotates changed passwords, and reports what it did."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from quartet.errors import ServerFailed, WrongPassword
from quartet.provision import AdminConnection, Plan, provision
from quartet.provision.run import LOCK_KEY
from quartet.provision.scram import make_verifier, matches
from tests.ops.provisioned_server import ProvisionedServer

pytestmark = pytest.mark.database


@pytest.fixture
async def planned(provisioned: ProvisionedServer) -> AsyncIterator[ProvisionedServer]:
    """The server as planned, and brought back to the plan at the end."""
    yield provisioned
    await provision(provisioned.admin, provisioned.plan)


async def test_second_run_changes_nothing(planned: ProvisionedServer) -> None:
    assert (await provision(planned.admin, planned.plan)).changes == ()


async def test_a_server_that_takes_fewer_connections_than_the_roles_may_open_is_told(
    planned: ProvisionedServer,
) -> None:
    of_eight = replace(
        planned.plan, services=tuple(replace(each, user_connections=96) for each in planned.plan)
    )
    assert (await provision(planned.admin, planned.plan)).shortage is None
    assert (await provision(planned.admin, of_eight)).shortage == (
        "the server takes 108 connections, and the roles may open 444: set its max_connections to 444, or lower"
        " QUARTET_REPLICAS or DB_POOL_MAX"
    )


SERVER_DRIFT = [
    {
        "ALTER ROLE auth_user SUPERUSER": "rolsuper",
        "ALTER ROLE auth_user CREATEDB CREATEROLE REPLICATION BYPASSRLS INHERIT": "rolbypassrls",
        "ALTER ROLE l2p_owner NOLOGIN": "rolcanlogin",
        "ALTER ROLE auth_user VALID UNTIL '2020-01-01'": "rolvaliduntil",
        "ALTER ROLE auth_user CONNECTION LIMIT -1": "connection limit -1 → 12",
        "GRANT pg_read_all_data TO auth_user": "membership in pg_read_all_data",
        "GRANT l2p_owner TO auth_user WITH ADMIN OPTION": "membership in l2p_owner",
        "GRANT auth_user TO payment_user": "membership in auth_user",
        "GRANT CONNECT ON DATABASE auth_db TO PUBLIC": "CONNECT of PUBLIC revoked",
        "GRANT CONNECT ON DATABASE template1 TO PUBLIC": "database template1: CONNECT of PUBLIC",
        "GRANT CONNECT ON DATABASE payment_db TO l2p_user WITH GRANT OPTION": "of l2p_user revoked",
        "GRANT CREATE, TEMPORARY ON DATABASE l2p_db TO l2p_user": "CREATE, TEMPORARY of l2p_user",
        "REVOKE CONNECT ON DATABASE l2p_db FROM l2p_owner": "owner's rights restored",
        "ALTER DATABASE l2p_db ALLOW_CONNECTIONS false": "connections allowed again",
        "GRANT SET ON PARAMETER temp_file_limit TO auth_user": "parameter temp_file_limit revoked",
        "GRANT CREATE ON TABLESPACE pg_default TO auth_user": "tablespace pg_default revoked",
        "ALTER ROLE auth_user SET temp_file_limit = '10GB'": "temp_file_limit 10GB → 512MB",
        "ALTER ROLE auth_user IN DATABASE auth_db SET temp_file_limit = -1": "inside auth_db removed",
        "ALTER ROLE auth_user SET search_path = nowhere": "role auth_user: search_path removed",
        "ALTER ROLE l2p_owner IN DATABASE l2p_db SET role = l2p_owner": "role inside l2p_db removed",
        "ALTER ROLE l2p_user IN DATABASE postgres SET work_mem = '1GB'": "work_mem inside postgres removed",
        "ALTER ROLE auth_user SET my.own = 'x'": "role auth_user: my.own removed",
    },
    {
        "REVOKE CONNECT ON DATABASE l2p_db FROM l2p_user": "CONNECT granted to l2p_user",
        "ALTER ROLE auth_user IN DATABASE auth_db RESET ALL": "statement_timeout unset → 15s",
    },
    {
        "ALTER DATABASE l2p_db OWNER TO l2p_user": "owner l2p_user → l2p_owner",
    },
]
"""What each statement does to roles and databases, and a part of what the report must say of it."""

DATABASE_DRIFT = [
    {
        "GRANT CREATE ON SCHEMA public TO PUBLIC": "CREATE of PUBLIC on schema public revoked",
        "GRANT CREATE ON SCHEMA public TO auth_user": "CREATE of auth_user on schema public revoked",
        "GRANT ALL ON things TO PUBLIC": "TRUNCATE on things of PUBLIC revoked",
        "GRANT TRUNCATE, TRIGGER ON things TO auth_user": "TRIGGER on things of auth_user revoked",
        "GRANT SELECT ON things TO auth_user WITH GRANT OPTION": "grant option for SELECT on things",
        "GRANT SELECT ON things TO l2p_user": "rights of l2p_user on table public.things revoked",
        "GRANT REFERENCES (id) ON things TO auth_user": "REFERENCES (id) on things of auth_user revoked",
        "GRANT SELECT (id) ON things TO PUBLIC": "SELECT (id) on things of PUBLIC revoked",
        "GRANT INSERT (id) ON things TO auth_user WITH GRANT OPTION": "grant option for INSERT (id) on things",
        "GRANT UPDATE ON SEQUENCE things_id_seq TO auth_user": "UPDATE on things_id_seq of auth_user",
        "CREATE TABLE strange (id int)": "strange: owner postgres → auth_owner",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO auth_user": "rights of auth_user on function",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC": "EXECUTE on pg_read_file(text) of PUBLIC",
        "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC": "EXECUTE on lo_create(oid) of PUBLIC",
        "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO auth_user": "EXECUTE on pg_advisory_lock(bigint) of auth_user revoked",
        "GRANT EXECUTE ON FUNCTION pg_advisory_lock_shared(bigint) TO PUBLIC": "EXECUTE on pg_advisory_lock_shared(bigint) of PUBLIC",
        "GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) TO auth_user": "EXECUTE on pg_advisory_xact_lock(bigint) of auth_user revoked",
        "GRANT EXECUTE ON FUNCTION pg_try_advisory_xact_lock(integer, integer) TO PUBLIC": "EXECUTE on pg_try_advisory_xact_lock(integer,integer) of PUBLIC",
        "REVOKE EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) FROM auth_owner": "EXECUTE on pg_try_advisory_lock(bigint) granted to auth_owner",
        "GRANT USAGE ON LANGUAGE plpgsql TO l2p_user": "rights of l2p_user on language plpgsql",
        "CREATE EXTENSION dblink": "extension dblink removed",
        "CREATE EXTENSION postgres_fdw": "extension postgres_fdw removed",
        "DROP EXTENSION citext CASCADE": "extension citext installed",
        "ALTER DEFAULT PRIVILEGES FOR ROLE auth_owner GRANT SELECT ON TABLES TO PUBLIC": "default SELECT on tables of auth_owner for PUBLIC revoked",
    },
    {
        "GRANT USAGE ON SCHEMA public TO l2p_user": "USAGE of l2p_user on schema public revoked",
        "GRANT SELECT (id) ON things TO l2p_user": "rights of l2p_user on table public.things revoked",
        "ALTER DEFAULT PRIVILEGES FOR ROLE auth_owner IN SCHEMA public REVOKE INSERT ON TABLES FROM auth_user": "default privileges of auth_user on tables set",
    },
    {
        "REVOKE USAGE ON SCHEMA public FROM auth_user": "USAGE of auth_user on schema public granted",
        "REVOKE ALL ON things FROM auth_user": "SELECT on things granted to auth_user",
        "ALTER DEFAULT PRIVILEGES FOR ROLE auth_owner IN SCHEMA public GRANT TRUNCATE ON TABLES TO auth_user": "default TRUNCATE on tables of auth_owner for auth_user revoked",
    },
    {
        "ALTER SCHEMA public OWNER TO auth_user": "owner auth_user → auth_owner",
        "ALTER TABLE things OWNER TO auth_user": "things: owner auth_user → auth_owner",
    },
]
"""The same inside auth's database; those of one batch do not get in each other's way."""


@pytest.mark.parametrize("drift", SERVER_DRIFT)
async def test_drift_of_roles_and_databases_is_repaired_and_told(
    provisioned: ProvisionedServer, drift: dict[str, str]
) -> None:
    await provisioned.execute("postgres", "postgres", *drift)
    await assert_repaired(provisioned, drift)


@pytest.mark.parametrize("drift", DATABASE_DRIFT)
async def test_drift_inside_a_database_is_repaired_and_told(
    provisioned: ProvisionedServer, drift: dict[str, str]
) -> None:
    await provisioned.execute(
        "auth_owner", "auth_db", "DROP TABLE IF EXISTS things", "CREATE TABLE things (id serial)"
    )
    await provisioned.execute("postgres", "auth_db", "DROP TABLE IF EXISTS strange", *drift)
    await assert_repaired(provisioned, drift)


async def assert_repaired(provisioned: ProvisionedServer, drift: dict[str, str]) -> None:
    """Each drift is told of, all are gone after one run, and the next finds nothing to do."""
    changes = "\n".join((await provision(provisioned.admin, provisioned.plan)).changes)
    assert [told for told in drift.values() if told not in changes] == [], changes
    assert (await provision(provisioned.admin, provisioned.plan)).changes == ()


async def test_table_of_a_wrong_owner_can_be_used_again_after_the_repair(
    planned: ProvisionedServer,
) -> None:
    await planned.execute("postgres", "payment_db", "CREATE TABLE stray (id int)")
    await provision(planned.admin, planned.plan)
    await planned.execute(
        "payment_user", "payment_db", "INSERT INTO stray VALUES (1)", "UPDATE stray SET id = 2"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await planned.execute("payment_user", "payment_db", "DROP TABLE stray")
    await planned.execute("payment_owner", "payment_db", "DROP TABLE stray")


async def test_append_only_and_version_tables_are_left_as_migrations_made_them(
    planned: ProvisionedServer,
) -> None:
    await planned.execute(
        "l2p_owner",
        "l2p_db",
        "CREATE TABLE events (id int)",
        "REVOKE UPDATE, DELETE ON events FROM l2p_user",
        "CREATE TABLE alembic_version (version_num text)",
        "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM l2p_user",
    )
    assert (await provision(planned.admin, planned.plan)).changes == ()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await planned.execute("l2p_user", "l2p_db", "DELETE FROM events")
    await planned.execute("l2p_owner", "l2p_db", "DROP TABLE events, alembic_version")


@pytest.mark.parametrize(
    "drift",
    [
        "ALTER TABLE {table} OWNER TO auth_user",
        "ALTER TABLE {table} OWNER TO postgres",
        "GRANT UPDATE, DELETE ON {table} TO auth_user",
        "GRANT UPDATE (id) ON {table} TO auth_user",
    ],
)
@pytest.mark.parametrize(
    ("table", "kept"), [("audit_events", {"SELECT", "INSERT"}), ("alembic_version", {"SELECT"})]
)
async def test_repair_opens_no_append_only_table(
    planned: ProvisionedServer, drift: str, table: str, kept: set[str]
) -> None:
    taken = ", ".join({"INSERT", "UPDATE", "DELETE"} - kept)
    await planned.execute(
        "auth_owner", "auth_db", f"CREATE TABLE {table} (id int)", f"REVOKE {taken} ON {table} FROM auth_user"
    )
    try:
        await planned.execute("postgres", "auth_db", drift.format(table=table))
        assert (await provision(planned.admin, planned.plan)).changed
        async with planned.connection("auth_user", "auth_db") as connection:
            held = {
                right
                for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
                if await connection.fetchval(f"SELECT has_table_privilege('{table}', '{right}')")
            }
            of_columns = {
                right
                for right in ("SELECT", "INSERT", "UPDATE", "REFERENCES")
                if await connection.fetchval(f"SELECT has_any_column_privilege('{table}', '{right}')")
            }
        assert held == of_columns == kept
        assert (await provision(planned.admin, planned.plan)).changes == ()
    finally:
        await planned.execute("postgres", "auth_db", f"DROP TABLE {table}")


async def test_what_is_not_of_the_plan_is_left_alone(planned: ProvisionedServer) -> None:
    await planned.execute(
        "postgres",
        "postgres",
        "CREATE ROLE monitor LOGIN",
        "GRANT CONNECT ON DATABASE auth_db TO monitor",
        "GRANT pg_monitor TO monitor",
    )
    try:
        assert (await provision(planned.admin, planned.plan)).changes == ()
    finally:
        await planned.execute(
            "postgres", "postgres", "REVOKE ALL ON DATABASE auth_db FROM monitor", "DROP ROLE monitor"
        )


async def test_changed_password_is_rotated_for_that_role_alone(planned: ProvisionedServer) -> None:
    services = [
        replace(planned.plan["auth"], user_password="naïve ﬁ Ⅳ p@ss'word\\"),
        *planned.plan.services[1:],
    ]
    changed = replace(planned, plan=replace(planned.plan, services=tuple(services)))
    report = await provision(changed.admin, changed.plan)
    assert report.changes == ("role auth_user: password rotated",)
    async with changed.connection("auth_user", "auth_db") as connection:
        assert await connection.fetchval("SELECT current_user") == "auth_user"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await planned.open("auth_user", "auth_db")
    assert (await provision(changed.admin, changed.plan)).changes == ()


async def test_report_and_server_log_hold_no_password(planned: ProvisionedServer) -> None:
    rotated = replace(planned, plan=Plan.generated())
    await planned.execute(
        "postgres", "postgres", "ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"
    )
    report = await provision(rotated.admin, rotated.plan)
    await planned.execute(
        "postgres", "postgres", "ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()"
    )
    log = planned.cluster.log_file.read_text()
    assert "ALTER ROLE" in log
    passwords = [rotated.plan.backup_password]
    for service in rotated.plan:
        passwords += [service.user_password, service.owner_password]
    for password in passwords:
        assert password not in log
        assert password not in "".join(report.changes)
        assert password not in repr(rotated.plan)


async def test_the_role_of_backups_replicates_reads_all_and_has_six_connections(
    planned: ProvisionedServer,
) -> None:
    async with planned.connection("postgres", "postgres") as connection:
        role = await connection.fetchrow(
            "SELECT rolreplication, rolinherit, rolsuper, rolconnlimit FROM pg_roles WHERE rolname = 'backup_user'"
        )
        groups = await connection.fetch(
            "SELECT roleid::regrole::text AS name FROM pg_auth_members WHERE member = 'backup_user'::regrole"
        )
    assert role is not None
    assert tuple(role) == (True, True, False, 6)
    assert [group["name"] for group in groups] == ["pg_read_all_data"]


async def test_two_at_once_on_a_bare_server_make_everything_once(provisioned: ProvisionedServer) -> None:
    renamed = replace(
        provisioned.plan,
        backup_user="twin_backup",
        services=tuple(
            replace(
                service,
                database=f"twin_{service.database}",
                user=f"twin_{service.user}",
                owner=f"twin_{service.owner}",
            )
            for service in provisioned.plan
        ),
    )
    reports = await asyncio.gather(*(provision(provisioned.admin, renamed) for _ in range(3)))
    made = [change for report in reports for change in report.changes if change.endswith("created")]
    assert sum(change.startswith("database") for change in made) == 4
    assert sum(change.startswith("role") for change in made) == 9
    async with provisioned.connection("postgres", "postgres") as connection:
        assert await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'twin_%'") == 4
        for service in renamed:
            await connection.execute(f'DROP DATABASE "{service.database}"')
            await connection.execute(f'DROP OWNED BY "{service.user}", "{service.owner}"')
            await connection.execute(f'DROP ROLE "{service.user}", "{service.owner}"')
        await connection.execute(f'DROP ROLE "{renamed.backup_user}"')


async def test_a_provisioning_says_which_process_it_waits_for(provisioned: ProvisionedServer) -> None:
    lines: list[str] = []
    said = asyncio.Event()

    def say(line: str) -> None:
        lines.append(line)
        said.set()

    async with provisioned.connection("postgres", "postgres") as holder:
        await holder.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        pid = await holder.fetchval("SELECT pg_backend_pid()")
        waiting = asyncio.create_task(provision(provisioned.admin, provisioned.plan, say=say))
        await asyncio.wait_for(said.wait(), timeout=30)
    await waiting
    (line,) = lines
    assert line.startswith(
        f"waiting for process {pid} of postgres (no application name), which holds the lock of"
    )
    assert "; its statement: SELECT pg_backend_pid()" in line
    assert line.endswith(f"SELECT pg_terminate_backend({pid})")


async def test_service_may_live_in_a_schema_of_its_own(planned: ProvisionedServer) -> None:
    services = [replace(planned.plan["videovault"], schema="library"), *planned.plan.services[:3]]
    plan = replace(planned.plan, services=tuple(services))
    await provision(planned.admin, plan)
    await planned.execute("videovault_owner", "videovault_db", "CREATE TABLE library.films (id int)")
    await planned.execute("videovault_user", "videovault_db", "INSERT INTO library.films VALUES (1)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await planned.execute("videovault_user", "videovault_db", "CREATE TABLE library.more (id int)")
    assert (await provision(planned.admin, plan)).changes == ()
    await planned.execute("postgres", "videovault_db", "DROP SCHEMA library CASCADE")


async def test_wrong_superuser_password_is_told_with_a_way_out(provisioned: ProvisionedServer) -> None:
    wrong = AdminConnection(host="127.0.0.1", port=provisioned.cluster.port, password="wrong")
    with pytest.raises(WrongPassword, match="put back the password"):
        await provision(wrong, provisioned.plan)


async def test_absent_server_is_told(provisioned: ProvisionedServer) -> None:
    absent = AdminConnection(host="127.0.0.1", port=1, password="x")
    with pytest.raises(ServerFailed, match="is it running"):
        await provision(absent, provisioned.plan)


@pytest.mark.parametrize("password", ["x", "p@ss:/w%rd?#[]é ", "ﬁ Ⅳ \u00ad", "\u0007bell", "אב1", "a" * 300])
async def test_verifier_made_here_lets_the_same_password_in(
    planned: ProvisionedServer, password: str
) -> None:
    """The server's own password check is the judge of SASLprep and SCRAM."""
    verifier = make_verifier(password)
    await planned.execute("postgres", "postgres", f"ALTER ROLE l2p_user PASSWORD '{verifier}'")
    connection = await planned.open("l2p_user", "l2p_db", password=password)
    await connection.close()
    assert matches(password, verifier=verifier)


@pytest.mark.parametrize("password", ["x", "p@ss:/w%rd?#[]é ", "ﬁ Ⅳ", "אב1"])
async def test_verifier_made_by_the_server_is_recognised(planned: ProvisionedServer, password: str) -> None:
    await planned.execute("postgres", "postgres", f"ALTER ROLE l2p_user PASSWORD '{password}'")
    async with planned.connection("postgres", "postgres") as connection:
        stored = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'l2p_user'")
    assert matches(password, verifier=stored)
    assert not matches(password + "x", verifier=stored)


@pytest.mark.parametrize("stored", [None, "", "md5" + "0" * 32, "SCRAM-SHA-256$x"])
def test_verifier_of_another_kind_matches_nothing(stored: str | None) -> None:
    assert matches("", verifier=stored) is False
