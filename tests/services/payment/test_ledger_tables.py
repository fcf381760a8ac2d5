"""What the database itself holds of the ledger: balance, immutability, and the figures of orders."""

from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from tests.conftest import CopyDatabase
from tests.servers import TestServer
from tests.services.payment.shop import Shop, Sql

ADD = "INSERT INTO ledger_entries (movement, order_id, account, amount, currency) VALUES ($1, $2, $3, $4, $5)"
FIGURES = "SELECT amount_paid, amount_refunded, amount_refundable, amount_disputed FROM orders WHERE id = $1"


async def book(
    sql: Sql, order_id: UUID, movement: str, entries: dict[str, str], currency: str = "eur"
) -> None:
    """Book a movement in a transaction of its own."""
    rows = [(movement, order_id, account, Decimal(amount), currency) for account, amount in entries.items()]
    async with sql.transaction():
        await sql.executemany(ADD, rows)


async def place(shop: Shop) -> UUID:
    product = await shop.offer(unit_price="10.00")
    return UUID((await shop.placed({product["sku"]: 2}))["id"])


async def test_movement_that_is_not_balanced_is_refused_at_commit(sql: Sql, shop: Shop) -> None:
    order_id = await place(shop)
    with pytest.raises(asyncpg.CheckViolationError, match="not balanced") as refused:
        await book(sql, order_id, "charge ch_1", {"stripe": "20", "sales": "-19.99"})
    assert refused.value.constraint_name == "ledger_entries_balanced"
    assert await sql.fetchval("SELECT count(*) FROM ledger_entries WHERE order_id = $1", order_id) == 0


async def test_movement_is_booked_once(sql: Sql, shop: Shop) -> None:
    order_id = await place(shop)
    await book(sql, order_id, "charge ch_2", {"stripe": "20", "sales": "-20"})
    with pytest.raises(asyncpg.UniqueViolationError):
        await book(sql, order_id, "charge ch_2", {"stripe": "20", "sales": "-20"})


async def test_figures_follow_the_entries(sql: Sql, shop: Shop) -> None:
    order_id = await place(shop)
    steps = [
        ({"stripe": "20", "sales": "-20"}, "eur", (20, 0, 20, 0)),
        ({"stripe": "-5", "refunds_pending": "5"}, "eur", (20, 0, 15, 0)),
        ({"refunds": "5", "refunds_pending": "-5"}, "eur", (20, 5, 15, 0)),
        ({"fees": "0.88", "stripe": "-0.88"}, "eur", (20, 5, 15, 0)),
        ({"disputes": "25", "stripe": "-25"}, "eur", (20, 5, 0, 25)),
        ({"disputes": "7", "stripe": "-7"}, "usd", (20, 5, 0, 25)),
        ({"disputes": "-25", "chargebacks": "25"}, "eur", (20, 30, 0, 0)),
    ]
    for number, (entries, currency, figures) in enumerate(steps):
        await book(sql, order_id, f"step {number} of {order_id}", entries, currency)
        row = await sql.fetchrow(FIGURES, order_id)
        assert row is not None
        assert tuple(row) == tuple(map(Decimal, figures)), entries


@pytest.mark.parametrize("table", ["ledger_entries", "payment_events"])
async def test_even_the_owner_cannot_change_a_row(
    server: TestServer, copy_database: CopyDatabase, table: str
) -> None:
    copied = await copy_database("payment")
    url = server.url("payment", role="owner", database=copied.url.database)
    owner = await asyncpg.connect(**url.connect_arguments(application_name="tests"))
    try:
        for change in ("UPDATE {} SET order_id = order_id", "DELETE FROM {}", "TRUNCATE {}"):
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await owner.execute(change.format(table))
    finally:
        await owner.close()
