"""`quartet restore --all`: each service's database and the roles that the server lacks, or nothing."""

from collections.abc import Iterator

import pytest
from obstore.store import LocalStore

from quartet.backup.destination import Destination
from quartet.backup.manifest import read_manifest, write_manifest
from quartet.provision.plan import SERVICES
from tests.ops.backup.archives import flip, part_of
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace, workplace

pytestmark = [pytest.mark.database, pytest.mark.long]

ANALYST = 'CREATE ROLE "An alyst" NOLOGIN CREATEDB CONNECTION LIMIT 3'


@pytest.fixture
def with_analyst(filled: FilledServer) -> Iterator[Workplace]:
    """A folder with a backup of a server where a role reads that the plan does not know; the role is gone since."""
    filled.execute("postgres", ANALYST)
    filled.execute("l2p_db", 'GRANT SELECT ON users TO "An alyst"')
    with workplace(**filled.told) as place:
        assert place.call("backup", "full").returncode == 0
        forget_analyst(filled)
        yield place
    forget_analyst(filled)


def forget_analyst(filled: FilledServer) -> None:
    if filled.fetch("postgres", "SELECT 1 FROM pg_roles WHERE rolname = 'An alyst'"):
        for database in sorted(name for name in filled.databases() if name.startswith("l2p_db")):
            filled.execute("postgres", f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
            filled.execute(database, 'DROP OWNED BY "An alyst"')
        filled.execute("postgres", 'DROP ROLE "An alyst"')


def test_every_database_comes_back_with_the_roles_that_are_missing(
    filled: FilledServer, with_analyst: Workplace
) -> None:
    before = {service: filled.contents(f"{service}_db") for service in SERVICES}
    filled.execute("postgres", *(f"DROP DATABASE {service}_db" for service in SERVICES))
    done = with_analyst.call("restore", "--all")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{service}: restored into {service}_db" for service in SERVICES]
    assert "role An alyst made, without a password" in done.stderr.splitlines()
    assert filled.fetch(
        "l2p_db",
        "SELECT rolcreatedb, rolcanlogin, rolconnlimit, has_table_privilege(oid, 'users', 'SELECT')"
        " FROM pg_roles WHERE rolname = 'An alyst'",
    ) == [(True, False, 3, True)]
    assert with_analyst.call("provision").stdout == "roles, databases and schema are as planned\n"
    for service in SERVICES:
        found = filled.contents(f"{service}_db")
        if service == "auth":  # its hook ended sessions, and lists them
            assert len(found.pop("revocations")) == len(before["auth"].pop("revocations")) + 300
            assert len(found.pop("sessions")) == len(before["auth"].pop("sessions"))
            filled.execute(
                "auth_db", "UPDATE sessions SET ended_at = NULL, end_reason = NULL", "DELETE FROM revocations"
            )
        assert found == before[service]


def test_nothing_is_restored_when_one_cannot_be(filled: FilledServer, copy: Workplace) -> None:
    before = filled.databases()
    filled.execute("postgres", "ALTER DATABASE auth_db RENAME TO away")
    try:
        done = copy.call("restore", "--all")
        assert (done.returncode, "l2p_db holds tables" in done.stderr) == (17, True), done.stderr
        done = copy.call("restore", "--all", "--swap")
        assert (done.returncode, "no database auth_db whose place" in done.stderr) == (13, True)
        assert "auth_db" not in filled.databases()
    finally:
        filled.execute("postgres", "ALTER DATABASE away RENAME TO auth_db")
    flip(part_of(copy, "globals.sql"))
    done = copy.call("restore", "--all", "--swap")
    assert (done.returncode, "globals.sql.zst.age is damaged" in done.stderr) == (15, True), done.stderr
    assert filled.databases() == before


def test_wrong_uses_of_all_are_refused(copy: Workplace) -> None:
    for arguments, told in (
        ((), "name one --service, or give --all"),
        (("--all", "--service", "l2p"), "name one --service, or give --all"),
        (("--all", "--from", "all.sql"), "--all goes with --at, --from ID and --swap"),
        (("--all", "--into", "x"), "--all goes with"),
        (("--all", "--undo"), "--all goes with"),
    ):
        done = copy.call("restore", *arguments)
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_rows_that_do_not_match_do_not_stay_in_a_database_that_was_empty(
    filled: FilledServer, copy: Workplace
) -> None:
    count_one_more(copy, "payment", "public.orders")
    filled.execute("postgres", "ALTER DATABASE payment_db RENAME TO payment_away")
    try:
        assert copy.call("provision").returncode == 0
        tables = set(filled.contents("payment_db"))
        filled.execute("payment_db", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        done = copy.call("restore", "--service", "payment")
        assert (done.returncode, "public.orders has 50 rows" in done.stderr) == (15, True), done.stderr
        assert filled.contents("payment_db") == {}
        # As open to its service as it was: its migrations go on from nothing.
        assert copy.call("db", "migrate", "payment").returncode == 0
        assert set(filled.contents("payment_db")) == tables
    finally:
        filled.execute("postgres", "DROP DATABASE payment_db WITH (FORCE)")
        filled.execute("postgres", "ALTER DATABASE payment_away RENAME TO payment_db")
        assert copy.call("provision").returncode == 0  # the settings of payment_user went to the other one


def count_one_more(place: Workplace, service: str, table: str) -> None:
    """Have the manifest tell of one row more."""
    [path] = (place.home / "backups").glob("full/*/manifest.json")
    destination = Destination("here", LocalStore(place.home / "backups"))
    manifest = read_manifest(destination, path.parent.name)
    parts = tuple(
        part.model_copy(
            update={
                "tables": tuple(
                    each.model_copy(update={"rows": each.rows + 1}) if each.name == table else each
                    for each in part.tables
                )
            }
        )
        if part.service == service
        else part
        for part in manifest.parts
    )
    write_manifest(destination, manifest.model_copy(update={"parts": parts}))
