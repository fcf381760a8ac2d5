"""Redis carries the notices between two processes; while it is away events are found by polling."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from l2p.live.notices import CHANNEL
from l2p.main import create_app
from l2p.settings import Settings
from tests.clients import quick_hasher, running
from tests.libs.dbcommon.pools import PATIENCE_SECONDS, until
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import two_processes
from tests.redis_server import RedisServer
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import play_together, seated
from tests.services.l2p.players import Crowd
from tests.tokens import TokenMint


@pytest.fixture(scope="module")
async def redis_pair(settings: Settings, key_server: KeyServer, redis: RedisServer) -> AsyncIterator[Pair]:
    """Two processes that tell each other by Redis."""
    assert settings.database is not None
    told = {"AUTH_JWKS_URL": key_server.url, "REDIS_URL": redis.url()}
    async with two_processes("l2p", settings.database, **told) as started:
        yield started


async def until_subscribed(redis: RedisServer) -> None:
    """Wait until both processes are."""
    async with Redis.from_url(redis.url()) as client:

        async def both() -> bool:
            ((_, count),) = await client.pubsub_numsub(CHANNEL)
            return bool(count == 2)

        await until(both)


@pytest.mark.long
async def test_games_go_by_redis_and_by_polling_while_it_is_away(
    redis_pair: Pair, redis: RedisServer, mint: TokenMint, sql: "asyncpg.Connection[Any]"
) -> None:
    notified: list[object] = []
    await sql.add_listener(CHANNEL, lambda *told: notified.append(told))
    await until_subscribed(redis)
    async with seated(redis_pair, mint) as (host, lobby, follower):
        async with Redis.from_url(redis.url(), decode_responses=True) as client, client.pubsub() as heard:
            await heard.subscribe(CHANNEL)
            await play_together(host, lobby, follower)
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for message in heard.listen():
                    if message["data"] == f"{lobby['id']}:{follower.events[-1]['seq']}":
                        break
        with redis.frozen():
            await play_together(host, lobby, follower)
        redis.kill()
        await play_together(host, lobby, follower)
        redis.start()
        await until_subscribed(redis)
        await play_together(host, lobby, follower)
    assert notified == []


async def test_a_service_with_a_wrong_password_starts(
    settings: Settings, redis: RedisServer, mint: TokenMint
) -> None:
    wrong = settings.model_copy(update={"redis_url": SecretStr(redis.url("wrong"))})
    async with running(create_app(wrong, issuers=[mint.issuer], hasher=quick_hasher())) as client:
        assert (await client.get("/readyz")).status_code == 200
        await Crowd(client, mint).player().create()
