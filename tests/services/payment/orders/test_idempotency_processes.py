"""One order for one idempotency key: fifty requests at two processes, and a process killed before it stores its response."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from dbcommon.settings import DatabaseSettings
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import replica, two_processes
from tests.services.payment.shop import Shop, Sql, problem, until
from tests.tokens import TokenMint

LEASE = "UPDATE idempotency_keys SET leased_until = now() + $2 WHERE user_id = $1"


async def _count_orders(sql: Sql, user_id: UUID) -> int:
    count: int = await sql.fetchval("SELECT count(*) FROM orders WHERE user_id = $1", user_id)
    return count


@pytest.mark.long
async def test_fifty_at_once_in_two_processes_make_one_order(
    key_server: KeyServer, database_settings: DatabaseSettings, shop: Shop, mint: TokenMint, sql: Sql
) -> None:
    product, user_id = await shop.offer(stock=100), uuid4()
    async with two_processes("payment", database_settings, AUTH_JWKS_URL=key_server.url) as processes:
        shops = [Shop(process.client, mint) for process in processes]
        answers = await asyncio.gather(
            *(
                shops[number % 2].order({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
                for number in range(50)
            )
        )
        again = await shops[0].order({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    made = [answer for answer in answers if answer.status_code == 201]
    busy = [answer for answer in answers if answer.status_code == 409]
    assert len(made) + len(busy) == 50
    assert {problem(answer) for answer in busy} <= {(409, "idempotency-key-busy")}
    assert len({answer.content for answer in made}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in made) == 1
    assert await _count_orders(sql, user_id) == 1
    assert await sql.fetchval("SELECT reserved FROM products WHERE id = $1", product["id"]) == 1
    assert (again.headers["idempotent-replayed"], again.content) == ("true", made[0].content)


async def test_process_killed_before_it_stores_the_response_leaves_no_second_order(
    key_server: KeyServer, database_settings: DatabaseSettings, shop: Shop, mint: TokenMint, sql: Sql
) -> None:
    product, user_id = await shop.offer(stock=100), uuid4()
    buyer = shop.buyer(user_id)
    basket = {product["sku"]: 1}
    arguments = database_settings.url.connect_arguments(application_name="tests")
    holder: Sql = await asyncpg.connect(**arguments)

    async def waits_in(statement_like: str) -> bool:
        count = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1
        """
        await sql.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the same activity all along
        return int(await sql.fetchval(count, statement_like)) == 1

    try:
        # The product is locked until the key is claimed, then the key until the response is about to be stored.
        at_product, at_key = sql.transaction(), holder.transaction()
        async with replica("payment", database_settings, AUTH_JWKS_URL=key_server.url) as first:
            await at_product.start()
            await sql.execute("SELECT 1 FROM products WHERE id = $1 FOR NO KEY UPDATE", UUID(product["id"]))
            request = asyncio.create_task(Shop(first.client, mint).order(basket, buyer=buyer, key="k"))
            await until(lambda: waits_in("SELECT products.%"))
            await at_key.start()
            await holder.execute("SELECT 1 FROM idempotency_keys WHERE user_id = $1 FOR UPDATE", user_id)
            await at_product.rollback()
            await until(lambda: waits_in("%UPDATE idempotency_keys%"))
            await first.kill()
            with pytest.raises(httpx.TransportError):
                await request
            await at_key.rollback()
        # Another one: the application of this process.
        await sql.execute(LEASE, user_id, timedelta(hours=1))
        assert problem(await shop.order(basket, buyer=buyer, key="k")) == (409, "idempotency-key-busy")
        await sql.execute(LEASE, user_id, timedelta(0))
        order = await shop.placed(basket, buyer=buyer, key="k")
        again = await shop.order(basket, buyer=buyer, key="k")
        assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, order, "true")
        assert await sql.fetchval("SELECT array_agg(id) FROM orders WHERE user_id = $1", user_id) == [
            UUID(order["id"])
        ]
        assert await sql.fetchval("SELECT reserved FROM products WHERE id = $1", UUID(product["id"])) == 1
    finally:
        await holder.close()
