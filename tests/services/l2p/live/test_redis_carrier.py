"""Notices by Redis: they reach every process, and a server that is away costs nothing but them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from dbcommon.settings_error import SettingsError
from l2p.live.notices import ALL_LOBBIES, Notices
from l2p.live.redis_carrier import RedisAway, RedisCarrier
from l2p.settings import Settings
from tests.libs.dbcommon.pools import until
from tests.redis_server import RedisServer

PATIENT_SECONDS = 60
SHORT = 0.3
"""Seconds after which a connection without messages is checked, and has to answer."""

Heard = tuple[UUID | None, int]


class Ear:
    """What a process heard, in order."""

    def __init__(self, url: str) -> None:
        self.carrier = RedisCarrier(url, answer_seconds=SHORT, quiet_seconds=SHORT)
        self.notices = Notices(self.carrier)
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()

    async def next(self) -> Heard:
        async with asyncio.timeout(PATIENT_SECONDS):
            return await self.heard.get()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with self.notices.running(lambda lobby, seq: self.heard.put_nowait((lobby, seq))):
            yield


@asynccontextmanager
async def ears(url: str) -> AsyncIterator[tuple[Ear, Ear]]:
    """Two processes that are subscribed."""
    one, other = Ear(url), Ear(url)
    async with one.listening(), other.listening():
        assert [await one.next(), await other.next()] == [(None, 0), (None, 0)]
        yield one, other


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def until_warned(caplog: pytest.LogCaptureFixture) -> None:
    async def is_warned() -> bool:
        return bool(warnings(caplog))

    await until(is_warned)


async def test_a_notice_of_one_process_reaches_all(redis: RedisServer) -> None:
    lobby = uuid4()
    async with ears(redis.url()) as (one, other):
        for seq in (7, 9, 8):
            one.notices.send(lobby, seq)
        assert [await one.next(), await other.next()] == [(lobby, 9), (lobby, 9)]
        other.notices.send(ALL_LOBBIES, 0)
        assert [await one.next(), await other.next()] == [(None, 0), (None, 0)]


async def test_a_killed_server_is_reported_once_and_used_again_when_it_is_back(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    lobby = uuid4()
    one = Ear(redis.url())
    async with one.listening():
        assert await one.next() == (None, 0)
        redis.kill()
        one.notices.send(lobby, 1)
        await until_warned(caplog)
        one.notices.send(lobby, 2)
        redis.start()
        assert await one.next() == (None, 0)
        one.notices.send(lobby, 3)
        assert await one.next() == (lobby, 3)
    (told,) = warnings(caplog)
    assert f"127.0.0.1:{redis.port}" in told
    assert "is REDIS_URL right?" in told


async def test_a_frozen_server_is_noticed_and_used_again(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    lobby = uuid4()
    one = Ear(redis.url())
    async with one.listening():
        assert await one.next() == (None, 0)
        with redis.frozen():
            with pytest.raises(RedisAway):
                await one.carrier.publish([f"{lobby}:1"])
            await until_warned(caplog)
            await one.carrier.publish([f"{lobby}:2"])
        while await one.next() != (None, 0):
            pass
        one.notices.send(lobby, 3)
        while await one.next() != (lobby, 3):
            pass
    assert len(warnings(caplog)) == 1


async def test_a_wrong_password_is_reported_without_it(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one = Ear(redis.url("not-this-one"))
    async with one.listening():
        one.notices.send(uuid4(), 1)
        await until_warned(caplog)
    (told,) = warnings(caplog)
    assert "invalid username-password pair" in told
    assert "not-this-one" not in caplog.text


def read_settings(url: str) -> Settings:
    return Settings.from_environment(
        {"L2P_SECRET": "s" * 32, "L2P_DATABASE_URL": "postgresql://u:p@localhost/l2p", "REDIS_URL": url}
    )


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:a%2Fb@valkey.example.com:6380/2",
        "rediss://user:x@[::1]:6379/?ssl_ca_certs=/etc/ca.pem",
        "unix:///run/valkey/valkey.sock?db=1",
    ],
)
def test_urls_of_servers_are_taken(url: str) -> None:
    assert read_settings(url).redis_url == SecretStr(url)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://:hush/hush@localhost",
        "redis://:hush@localhost:65536",
        "redis://:hush@localhost:0",
        "unix://",
        "redis://two words",
    ],
)
def test_what_is_no_url_of_a_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(url)
    (line,) = refused.value.lines
    assert line.startswith("REDIS_URL: it is no URL")
    assert "hush" not in line


def test_an_option_that_the_client_does_not_have_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match=r"REDIS_URL: .*colour"):
        read_settings("redis://:hush@127.0.0.1?colour=red")
