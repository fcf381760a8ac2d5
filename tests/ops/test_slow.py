"""`quartet db slow` names the dearest statements and what to do, and tells no secret and no nonsense."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quartet.errors import NotFound
from quartet.inspection.advice import Table, advise_repetition, find_large_scans
from quartet.inspection.runs import KEPT, Change, compare, find_run, save_run, was_reset
from quartet.inspection.statements import Statement, Statistics
from quartet.provision import provision
from tests.ops.command import Workplace, workplace
from tests.ops.inspected import call, connected, settings_for
from tests.servers import TestServer


@pytest.fixture(scope="module")
def place(bare_server: TestServer) -> Iterator[Workplace]:
    with workplace(**settings_for(bare_server)) as made:
        yield made


@pytest.fixture
async def calls(bare_server: TestServer) -> AsyncIterator[Any]:
    """A connection of l2p's runtime role, beside a large table `played`, with nothing counted yet."""
    async with connected(bare_server, role="owner") as owner, connected(bare_server) as user:
        await owner.execute("CREATE TABLE played (id int PRIMARY KEY, lobby int, name text, is_won bool)")
        await owner.execute(
            "INSERT INTO played SELECT n, n / 4, 'player ' || n, n % 2 = 0 FROM generate_series(1, 20000) n"
        )
        await owner.execute("ANALYZE played")
        await reset(bare_server)
        yield user
        await owner.execute("DROP TABLE played")


async def reset(server: TestServer) -> None:
    admin = await server.connect()
    await admin.execute("SELECT monitoring.pg_stat_statements_reset()")
    await admin.close()


async def slow(place: Workplace, *arguments: str) -> dict[str, Any]:
    """What `db slow l2p --json` prints; the text holds no number that is none."""
    done = await call(place, "db", "slow", "l2p", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert not {"NaN", "Infinity"} & set(done.stdout.replace(",", " ").split())
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def advice_on(place: Workplace, beginning: str) -> list[dict[str, Any]]:
    """The advice on the one statement that begins so."""
    (found,) = [
        each for each in (await slow(place))["services"]["l2p"] if each["statement"].startswith(beginning)
    ]
    advice: list[dict[str, Any]] = found["advice"]
    return advice


async def test_statements_are_counted(place: Workplace, calls: Any) -> None:
    for number in range(3):
        await calls.fetch("SELECT * FROM played WHERE id < $1", number + 3)
    found = await slow(place)
    (only,) = found["services"]["l2p"]
    assert only["statement"] == "SELECT * FROM played WHERE id < $1"
    assert (only["calls"], only["rows"], only["share"]) == (3, 2 + 3 + 4, 1.0)
    assert only["mean_ms"] == pytest.approx(only["total_ms"] / 3)
    assert 0 < only["cache_hit_ratio"] <= 1
    assert (found["since"], found["reset"], only["change"]) == (None, False, None)
    shown = (await call(place, "db", "slow")).stdout
    assert "SELECT * FROM played WHERE id < $1" in shown
    assert len((await slow(place, "--top", "1"))["services"]["l2p"]) == 1


async def test_a_missing_index_is_named(place: Workplace, calls: Any) -> None:
    await calls.fetch("SELECT * FROM played WHERE lobby = $1 AND name > $2", 17, "m")
    (advice,) = await advice_on(place, "SELECT")
    assert advice["kind"] == "missing index"
    assert 'CREATE INDEX CONCURRENTLY ON "public"."played" ("lobby", "name") (untried' in advice["fix"]
    assert advice["tried"] is False


async def test_an_index_for_the_order_of_a_page_is_named(place: Workplace, calls: Any) -> None:
    await calls.fetch("SELECT id FROM played ORDER BY name DESC LIMIT 10")
    (advice,) = await advice_on(place, "SELECT")
    assert (advice["kind"], '("name")' in advice["fix"]) == ("missing index", True)


@pytest.mark.parametrize(
    "index",
    [
        "CREATE INDEX ON played (lobby, name)",
        "CREATE UNIQUE INDEX ON played (lobby, id)",
        "CREATE INDEX ON played (lobby) WHERE id > 19990",
        "CREATE INDEX ON played USING hash (lobby)",
    ],
)
async def test_no_index_is_proposed_where_the_column_leads_one(
    bare_server: TestServer, place: Workplace, calls: Any, index: str
) -> None:
    async with connected(bare_server, role="owner") as owner:
        await owner.execute(index)
    await calls.fetch("SELECT name FROM played WHERE lobby = $1", 17)
    await calls.execute("UPDATE played SET name = 'x' WHERE lobby = 18")
    for beginning in ("SELECT", "UPDATE"):
        assert "missing index" not in [each["kind"] for each in await advice_on(place, beginning)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name FROM played WHERE is_won = $1 LIMIT 5",
        "SELECT name FROM played WHERE lobby = 17 OR is_won = $1 LIMIT 5",
    ],
)
async def test_no_index_is_proposed_that_would_not_help(place: Workplace, calls: Any, statement: str) -> None:
    await calls.fetch(statement, True)
    assert [each["kind"] for each in await advice_on(place, "SELECT")] == ["sequential scan"]


async def test_a_list_without_a_limit(place: Workplace, calls: Any) -> None:
    await calls.fetch("SELECT name FROM played")
    advice = await advice_on(place, "SELECT")
    assert [each["kind"] for each in advice] == ["no limit", "sequential scan"]
    assert "20,000 rows a call" in advice[0]["what"]


async def test_a_query_for_each_row_of_another(place: Workplace, calls: Any) -> None:
    for page in range(3):
        for row in await calls.fetch("SELECT id FROM played WHERE id > $1 ORDER BY id LIMIT 20", page):
            await calls.fetch("SELECT name FROM played WHERE id = $1", row["id"])
    (advice,) = await advice_on(place, "SELECT name")
    assert advice["kind"] == "N+1"
    assert "runs 60 times, once for each of the 60 rows" in advice["what"]
    assert await advice_on(place, "SELECT id") == []


async def test_a_complex_join(place: Workplace, calls: Any) -> None:
    await calls.fetch(
        "SELECT count(*) FROM played a JOIN played b USING (lobby) JOIN played c USING (lobby) JOIN played d USING (lobby)"
        " JOIN played e USING (lobby)"
    )
    assert {"kind": "complex join", "what": "joins 5 tables"}.items() <= (await advice_on(place, "SELECT"))[
        -1
    ].items()


async def test_no_secret_of_a_utility_statement_is_told(
    bare_server: TestServer, place: Workplace, calls: Any
) -> None:
    await calls.execute("ALTER ROLE l2p_user PASSWORD 'quite secret'")
    await calls.execute("SET application_name = 'hush'")
    await calls.fetch("SELECT 1 AS seen")
    changed = replace(bare_server.plan, backup_password="another password of the backups")
    await provision(bare_server.admin, changed)
    await provision(bare_server.admin, bare_server.plan)
    for arguments in (["--json"], []):
        told = (await call(place, "db", "slow", *arguments)).stdout
        assert "AS seen" in told
        assert not [secret for secret in ("SCRAM-SHA-256", "PASSWORD", "secret", "hush") if secret in told]


async def test_a_reset_gives_no_nonsense(bare_server: TestServer, place: Workplace, calls: Any) -> None:
    for number in range(5):
        await calls.fetch("SELECT name FROM played WHERE id = $1", number)
    first = await slow(place)
    await calls.fetch("SELECT name FROM played WHERE id = $1", 7)
    found = await slow(place, "--since", first["run"])
    (only,) = found["services"]["l2p"]
    assert (found["since"], found["reset"], only["change"]["calls"]) == (first["run"], False, 1)
    await reset(bare_server)
    empty = await slow(place, "--since", "LAST")
    assert (empty["reset"], empty["services"]["l2p"]) == (True, [])
    await calls.fetch("SELECT name FROM played WHERE id = $1", 8)
    found = await slow(place, "--since", first["run"])
    (only,) = found["services"]["l2p"]
    assert (found["reset"], only["calls"], only["change"]["calls"]) == (True, 1, 1)
    assert only["change"]["mean_ms"] > 0
    assert only["change"]["mean_ms_before"] > 0
    assert "were reset after" in (await call(place, "db", "slow", "--since", first["run"])).stdout


async def test_an_index_is_tried_where_hypopg_is_installed(
    bare_server: TestServer, place: Workplace, calls: Any
) -> None:
    admin = await bare_server.connect("l2p_db")
    try:
        if not await admin.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'hypopg'"):
            pytest.skip("this PostgreSQL has no hypopg")
        await admin.execute("CREATE EXTENSION hypopg")
        await calls.fetch("SELECT * FROM played WHERE lobby = $1", 17)
        (advice,) = await advice_on(place, "SELECT")
        assert (advice["kind"], advice["tried"]) == ("missing index", True)
        assert advice["fix"].endswith('ON "public"."played" ("lobby")')
    finally:
        await admin.execute("DROP EXTENSION IF EXISTS hypopg")
        await admin.close()


async def test_a_run_that_is_not_kept_and_a_server_without_statistics_are_told(
    bare_server: TestServer, place: Workplace
) -> None:
    done = await call(place, "db", "slow", "--since", "yesterday")
    assert (done.returncode, "no earlier run yesterday" in done.stderr) == (13, True)
    admin = await bare_server.connect()
    await admin.execute("DROP EXTENSION pg_stat_statements")
    done = await call(place, "db", "slow")
    await provision(bare_server.admin, bare_server.plan)
    await admin.close()
    assert (done.returncode, "shared_preload_libraries" in done.stderr) == (13, True)


def statement(number: int, text: str = "", *, calls: int, total_ms: float = 1.0, rows: int = 0) -> Statement:
    return Statement(
        id=str(number), text=text, calls=calls, total_ms=total_ms, rows=rows, cache_hits=0, cache_misses=0
    )


def statistics(*statements: Statement, year: int = 2026) -> Statistics:
    return Statistics(counted_since=datetime(year, 1, 1, tzinfo=UTC), services={"l2p": statements})


@pytest.mark.parametrize(
    ("calls", "total_ms", "change"),
    [
        (20, 110.0, Change(calls=10, mean_ms=1.0, mean_ms_before=10.0, verdict="improved")),
        (20, 1100.0, Change(calls=10, mean_ms=100.0, mean_ms_before=10.0, verdict="worse")),
        (20, 205.0, Change(calls=10, mean_ms=10.5, mean_ms_before=10.0, verdict="unchanged")),
        (10, 100.0, Change(calls=0, mean_ms=None, mean_ms_before=10.0, verdict="not called")),
        (4, 200.0, Change(calls=4, mean_ms=50.0, mean_ms_before=10.0, verdict="worse")),
    ],
)
def test_a_statement_has_improved_or_not(tmp_path: Path, calls: int, total_ms: float, change: Change) -> None:
    save_run(tmp_path, statistics(statement(1, calls=10, total_ms=100.0)))
    run = find_run(tmp_path, "last")
    now = statement(1, calls=calls, total_ms=total_ms)
    assert compare(run, "l2p", now, reset=was_reset(run, statistics(now))) == change
    assert was_reset(run, statistics(now, year=2027))
    assert compare(run, "l2p", statement(2, calls=1), reset=False).verdict == "new"


def test_only_the_last_runs_are_kept(tmp_path: Path) -> None:
    ids = [save_run(tmp_path, statistics()) for _ in range(KEPT + 2)]
    assert find_run(tmp_path, "last").id == ids[-1]
    with pytest.raises(NotFound):
        find_run(tmp_path, ids[1])
    assert find_run(tmp_path, ids[2]).id == ids[2]
    (tmp_path / f"{ids[-1]}.json").write_text("{}")
    with pytest.raises(NotFound, match="cannot be read"):
        find_run(tmp_path, "last")


def test_a_lookup_that_only_happens_often_is_no_repetition() -> None:
    often = statement(1, "SELECT * FROM a WHERE id = $1", calls=1000, rows=1000)
    lists = statement(2, "SELECT * FROM b LIMIT 20", calls=10, rows=200)
    assert advise_repetition(often, [often, lists]) is None


def test_a_column_within_a_function_is_not_proposed() -> None:
    table = Table(
        schema="public", name="a", rows=1e6, columns=frozenset({"email", "id"}), indexed=frozenset({"id"})
    )
    scan = {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "a", "Alias": "a", "Plan Rows": 1}
    proposals = {
        condition: find_large_scans({**scan, "Filter": condition}, {("public", "a"): table})[0].proposal
        for condition in (
            "(a.email = $1)",
            "((a.email)::text = $1)",
            "(lower(a.email) = $1)",
            "(lower((a.email)::text) = $1)",
            "(a.id = $1)",
        )
    }
    assert [proposal and proposal.columns for proposal in proposals.values()] == [
        ("email",),
        ("email",),
        None,
        None,
        None,
    ]
