"""Counters of attempts, on the tables of Learn2Play."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from dbcommon.engine import Database
from dbcommon.migrations import upgrade
from tests.servers import TestServer
from webcommon.accounts.throttling import repository
from webcommon.accounts.throttling.devices import REMEMBERED_ACCOUNTS, DeviceCookies
from webcommon.accounts.throttling.limits import KeyMaker, Limit, fold_login, network_of
from webcommon.accounts.throttling.repository import Reservation
from webcommon.accounts.throttling.throttle import Counter, Throttle, TooManyAttempts

MINUTES_15 = timedelta(minutes=15)
LIMIT = Limit(count=10, window=MINUTES_15, longest_block=timedelta(hours=1))
SLIDING = Limit(count=3, window=MINUTES_15)

Connection = asyncpg.Connection


@pytest.fixture(scope="module")
async def replicas(bare_server: TestServer) -> AsyncIterator[tuple[Database, Database]]:
    """Two applications' pools on one database."""
    upgrade_arguments = ("l2p", bare_server.url("l2p", role="owner"))
    await asyncio.to_thread(upgrade, *upgrade_arguments)
    settings = await bare_server.copy_database("l2p")
    one, other = (Database(settings, application_name=name) for name in ("one", "other"))
    async with one.running(), other.running():
        yield one, other


@pytest.fixture(scope="module")
def database(replicas: tuple[Database, Database]) -> Database:
    return replicas[0]


@pytest.fixture(scope="module")
async def sql(database: Database) -> AsyncIterator["Connection[Any]"]:
    connection = await asyncpg.connect(**database.settings.url.connect_arguments(application_name="tests"))
    try:
        yield connection
    finally:
        await connection.close()


def new_key() -> bytes:
    return uuid4().bytes * 2


async def fill(database: Database, key: bytes, *, limit: Limit) -> list[Reservation]:
    """Reserve slots until the counter is full."""
    slots = []
    while (slot := await repository.reserve(database, key, limit=limit)) is not None:
        slots.append(slot)
        assert len(slots) <= limit.count
    return slots


async def pass_time(sql: "Connection[Any]", key: bytes, *, by: timedelta) -> None:
    """Age all attempts of the counter by that much."""
    await sql.execute(
        "UPDATE attempt_counters SET attempted_at = ARRAY(SELECT m - $2::interval FROM unnest(attempted_at) AS m),"
        " blocked_until = blocked_until - $2::interval, expires_at = expires_at - $2::interval WHERE key = $1",
        key,
        by,
    )


async def read_seconds(database: Database, key: bytes, *, limit: Limit = LIMIT) -> float:
    return (await repository.read_wait(database, key, limit=limit)).seconds


async def test_of_a_hundred_attempts_at_once_over_two_pools_ten_get_a_slot(
    replicas: tuple[Database, Database],
) -> None:
    key = new_key()
    slots = await asyncio.gather(
        *(repository.reserve(replicas[number % 2], key, limit=LIMIT) for number in range(100))
    )
    taken = [slot for slot in slots if slot is not None]
    assert len(taken) == 10
    assert len({slot.reserved_at for slot in taken}) == 10


async def test_each_block_is_twice_as_long_up_to_the_longest(
    database: Database, sql: "Connection[Any]"
) -> None:
    key, blocks = new_key(), []
    for _ in range(5):
        await repository.keep(database, await fill(database, key, limit=LIMIT))
        seconds = await read_seconds(database, key)
        blocks.append(round(seconds / 60))
        await pass_time(sql, key, by=timedelta(seconds=seconds + 1))
    assert blocks == [15, 30, 60, 60, 60]


async def test_a_day_after_a_block_it_is_forgotten(database: Database, sql: "Connection[Any]") -> None:
    key = new_key()
    await repository.keep(database, await fill(database, key, limit=LIMIT))
    await pass_time(sql, key, by=MINUTES_15 + timedelta(days=1, seconds=1))
    await fill(database, key, limit=LIMIT)
    assert await read_seconds(database, key) == pytest.approx(900, abs=5)


async def test_no_stretch_of_the_window_has_more_than_the_limit(
    database: Database, sql: "Connection[Any]"
) -> None:
    key = new_key()
    for _ in range(4):
        assert await repository.reserve(database, key, limit=LIMIT)
    await pass_time(sql, key, by=MINUTES_15 - timedelta(seconds=30))
    assert len(await fill(database, key, limit=LIMIT)) == 6
    await pass_time(
        sql, key, by=timedelta(minutes=1)
    )  # the first four have left the window, the block goes on
    assert await repository.reserve(database, key, limit=LIMIT) is None


async def test_a_success_does_not_count_and_ends_the_block_it_started(database: Database) -> None:
    key = new_key()
    slots = await fill(database, key, limit=LIMIT)
    await repository.release(database, slots[:1])
    assert len(await fill(database, key, limit=LIMIT)) == 1
    assert await read_seconds(database, key) == pytest.approx(900, abs=5)
    for _ in range(50):
        await repository.release(database, slots[1:2])
    assert len(await fill(database, key, limit=LIMIT)) == 1, "one slot, however often it is released"


async def test_successes_alone_never_block(database: Database) -> None:
    key = new_key()
    for _ in range(30):
        slot = await repository.reserve(database, key, limit=LIMIT)
        assert slot is not None
        await repository.release(database, [slot])


async def test_without_a_longest_block_the_window_slides(database: Database, sql: "Connection[Any]") -> None:
    key = new_key()
    assert await repository.reserve(database, key, limit=SLIDING)
    await pass_time(sql, key, by=timedelta(minutes=10))
    assert len(await fill(database, key, limit=SLIDING)) == 2
    assert await read_seconds(database, key, limit=SLIDING) == pytest.approx(300, abs=5)
    await pass_time(sql, key, by=timedelta(minutes=5, seconds=1))
    assert len(await fill(database, key, limit=SLIDING)) == 1


@pytest.mark.parametrize("longest", [None, timedelta(hours=1)])
async def test_a_limit_of_one_allows_one(database: Database, longest: timedelta | None) -> None:
    key, limit = new_key(), Limit(count=1, window=MINUTES_15, longest_block=longest)
    assert len(await fill(database, key, limit=limit)) == 1
    assert await read_seconds(database, key, limit=limit) == pytest.approx(900, abs=5)


async def test_many_that_succeed_at_once_wait_for_each_other(database: Database) -> None:
    throttle, counters = Throttle(database), [Counter(key=new_key(), limit=LIMIT)]

    async def succeed() -> None:
        attempt = await throttle.start(counters)
        await asyncio.sleep(0.05)  # the work of an attempt
        await attempt.succeed()

    await asyncio.gather(*(succeed() for _ in range(40)))
    assert await repository.reserve(database, counters[0].key, limit=LIMIT)


async def test_many_that_fail_at_once_are_refused_when_the_first_have_failed(database: Database) -> None:
    throttle, counters = Throttle(database), [Counter(key=new_key(), limit=LIMIT)]

    async def fail() -> str:
        try:
            attempt = await throttle.start(counters)
        except TooManyAttempts as refusal:
            return refusal.headers["Retry-After"]
        await asyncio.sleep(0.05)  # the work of an attempt
        await attempt.fail()
        return "looked at"

    outcomes = await asyncio.gather(*(fail() for _ in range(100)))
    assert outcomes.count("looked at") == 10
    assert all(890 <= int(outcome) <= 900 for outcome in outcomes if outcome != "looked at")


async def test_an_attempt_refused_by_network_takes_no_slot_of_the_account(
    database: Database, sql: "Connection[Any]"
) -> None:
    network = Counter(key=new_key(), limit=Limit(count=2, window=MINUTES_15))
    account = Counter(key=new_key(), limit=LIMIT)
    for slot in await fill(database, network.key, limit=network.limit):
        await repository.keep(database, [slot])
    with pytest.raises(TooManyAttempts):
        await Throttle(database).start([network, account])
    assert await sql.fetchval("SELECT count(*) FROM attempt_counters WHERE key = $1", account.key) == 0


async def test_an_attempt_refused_by_account_releases_its_slot_of_the_network(
    database: Database, sql: "Connection[Any]"
) -> None:
    network, account = Counter(key=new_key(), limit=LIMIT), Counter(key=new_key(), limit=LIMIT)
    for slot in await fill(database, account.key, limit=LIMIT):
        await repository.keep(database, [slot])
    for _ in range(20):
        with pytest.raises(TooManyAttempts):
            await Throttle(database).start([network, account])
    rows = await sql.fetch(
        "SELECT cardinality(attempted_at) AS used, in_flight FROM attempt_counters WHERE key = $1",
        network.key,
    )
    assert [tuple(row) for row in rows] == [(0, 0)]


async def test_attempts_that_share_their_counters_settle_without_a_deadlock(
    replicas: tuple[Database, Database], sql: "Connection[Any]"
) -> None:
    limit = Limit(count=1_000, window=MINUTES_15)
    keys = [new_key(), new_key()]

    async def try_once(number: int) -> None:
        order = keys if number % 2 else keys[::-1]
        database = replicas[number // 2 % 2]
        attempt = await Throttle(database).start([Counter(key=key, limit=limit) for key in order])
        await (attempt.succeed() if number % 4 else attempt.fail())

    await asyncio.gather(*(try_once(number) for number in range(200)))
    rows = await sql.fetch(
        "SELECT cardinality(attempted_at) AS used, in_flight FROM attempt_counters WHERE key = ANY($1)", keys
    )
    assert [tuple(row) for row in rows] == [(50, 0)] * 2


async def test_expired_counters_are_swept_in_batches(database: Database, sql: "Connection[Any]") -> None:
    live = new_key()
    await repository.reserve(database, live, limit=LIMIT)
    await sql.execute(
        "INSERT INTO attempt_counters (key, attempted_at, in_flight, expires_at) SELECT sha256(n::text::bytea), '{}', 0,"
        " now() - interval '1 second' FROM generate_series(1, 250) AS n"
    )
    swept = [await repository.sweep(database, batch=100) for _ in range(4)]
    assert swept == [100, 100, 50, 0]
    assert await sql.fetchval("SELECT count(*) FROM attempt_counters WHERE key = $1", live) == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_network_is_an_address_or_a_64(address: str, network: str) -> None:
    assert network_of(ip_address(address)) == network


@pytest.mark.parametrize(
    "spelling",
    ["ada@example.com", "ADA@Example.COM", " ada@example.com", "\uff21da@example.com", "àda@example.com"],
)
def test_spellings_of_one_login_are_one_counter(spelling: str) -> None:
    assert fold_login(spelling) == "ada@example.com"


def test_dotted_and_dotless_are_one_counter() -> None:
    assert fold_login("İda") == fold_login("ida")


def test_keys_tell_kinds_and_secrets_apart() -> None:
    one, other = KeyMaker(b"1" * 32), KeyMaker(b"2" * 32)
    keys = {
        one.make("login", "ada"),
        one.make("device", "ada"),
        one.make("device", "a", "da"),
        other.make("login", "ada"),
    }
    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)


def test_a_device_is_recognised_by_the_accounts_that_signed_in_on_it() -> None:
    devices, one, other = DeviceCookies(b"k" * 32), b"one", b"other"
    cookie = devices.remember(None, one)
    assert devices.find(cookie, one)
    assert devices.find(cookie, other) is None
    assert DeviceCookies(b"l" * 32).find(cookie, one) is None
    both = devices.remember(cookie, other)
    assert devices.find(both, one) == devices.find(cookie, one)
    assert devices.remember(both, one).split(".") == both.split(".")[::-1], (
        "known: the same id, now the newest"
    )


def test_a_device_forgets_the_least_recently_used_account() -> None:
    devices, accounts = (
        DeviceCookies(b"k" * 32),
        [bytes([number]) for number in range(REMEMBERED_ACCOUNTS + 1)],
    )
    cookie = None
    for account in accounts:
        cookie = devices.remember(cookie, account)
    assert [devices.find(cookie, account) is not None for account in accounts] == [False] + [
        True
    ] * REMEMBERED_ACCOUNTS


@pytest.mark.parametrize(
    "cookie", ["", ".", "A" * 64, "é" * 64, "=" * 64, "A" * 100_000, "." * 300, "\x00" * 64]
)
def test_a_forged_device_cookie_is_recognised_by_no_account(cookie: str) -> None:
    devices, account = DeviceCookies(b"k" * 32), b"one"
    assert devices.find(cookie, account) is None
    fresh = devices.remember(cookie, account)
    assert devices.find(fresh, account)
