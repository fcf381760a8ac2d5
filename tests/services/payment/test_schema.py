"""The rules of the tables themselves, by plain SQL as the runtime role."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.services.payment.shop import Sql

Columns = dict[str, Any]


async def _insert(sql: Sql, table: str, **columns: Any) -> UUID:
    names = ", ".join(columns)
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    statement = f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING id"  # noqa: S608 - names of this file
    row_id: UUID = await sql.fetchval(statement, *columns.values())
    return row_id


async def _insert_order(sql: Sql, *, total: str, items: list[tuple[int, str]], **columns: Any) -> UUID:
    """An order of `(quantity, unit_price)` lines, in one transaction."""
    async with sql.transaction():
        user_id = await _insert(sql, "users", name="Ada")
        usual: Columns = {"user_id": user_id, "total_amount": Decimal(total), "currency": "eur"}
        order_id = await _insert(sql, "orders", **usual | columns)
        for quantity, price in items:
            await _insert_item(sql, order_id, quantity=quantity, unit_price=Decimal(price))
    return order_id


async def _insert_item(sql: Sql, order_id: UUID, **columns: Any) -> UUID:
    usual: Columns = {"order_id": order_id, "product_name": "Tea", "quantity": 1, "unit_price": Decimal(1)}
    row = usual | columns
    return await _insert(sql, "order_items", **{"total_price": row["quantity"] * row["unit_price"]} | row)


async def test_order_whose_total_is_the_sum_of_its_lines_is_stored(sql: Sql) -> None:
    order_id = await _insert_order(sql, total="32.50", items=[(2, "12.50"), (3, "2.50")])
    row = await sql.fetchrow("SELECT status, created_at FROM orders WHERE id = $1", order_id)
    assert row is not None
    assert row["status"] == "pending"


@pytest.mark.parametrize(
    ("total", "items"), [("32.49", [(2, "12.50"), (3, "2.50")]), ("0.001", [(1, "0.002")]), ("5", [])]
)
async def test_total_that_is_not_the_sum_is_refused_at_commit(
    sql: Sql, total: str, items: list[tuple[int, str]]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="but its items sum to") as refused:
        await _insert_order(sql, total=total, items=items)
    assert refused.value.constraint_name == "orders_total_is_sum_of_items"
    assert "one transaction" in (refused.value.hint or "")


async def _more_total(sql: Sql, order_id: UUID) -> None:
    await sql.execute("UPDATE orders SET total_amount = total_amount + 1 WHERE id = $1", order_id)


async def _more_items(sql: Sql, order_id: UUID) -> None:
    await _insert_item(sql, order_id)


async def _dearer_item(sql: Sql, order_id: UUID) -> None:
    await sql.execute(
        "UPDATE order_items SET unit_price = unit_price + 1, total_price = (unit_price + 1) * quantity"
        " WHERE order_id = $1",
        order_id,
    )


async def _fewer_items(sql: Sql, order_id: UUID) -> None:
    await sql.execute("DELETE FROM order_items WHERE order_id = $1 AND quantity = 3", order_id)


async def _item_moved_away(sql: Sql, order_id: UUID) -> None:
    other = await _insert_order(sql, total="5", items=[(5, "1")])
    await sql.execute(
        "UPDATE order_items SET order_id = $2 WHERE order_id = $1 AND quantity = 3", order_id, other
    )


@pytest.mark.parametrize("change", [_more_total, _more_items, _dearer_item, _fewer_items, _item_moved_away])
async def test_no_later_change_makes_total_and_lines_differ(
    sql: Sql, change: Callable[[Sql, UUID], Awaitable[None]]
) -> None:
    order_id = await _insert_order(sql, total="32.50", items=[(2, "12.50"), (3, "2.50")])
    before = await sql.fetch("SELECT * FROM order_items WHERE order_id = $1 ORDER BY id", order_id)
    with pytest.raises(asyncpg.CheckViolationError, match="total_amount is"):
        await change(sql, order_id)
    assert await sql.fetch("SELECT * FROM order_items WHERE order_id = $1 ORDER BY id", order_id) == before
    assert await sql.fetchval("SELECT total_amount FROM orders WHERE id = $1", order_id) == Decimal("32.50")


async def test_total_and_lines_can_change_together_and_an_order_goes_with_its_lines(sql: Sql) -> None:
    order_id = await _insert_order(sql, total="2", items=[(2, "1")])
    async with sql.transaction():
        await _insert_item(sql, order_id)
        await _more_total(sql, order_id)
    await sql.execute("DELETE FROM orders WHERE id = $1", order_id)
    assert await sql.fetchval("SELECT count(*) FROM order_items WHERE order_id = $1", order_id) == 0


async def test_line_whose_total_is_not_price_by_quantity_is_refused(sql: Sql) -> None:
    order_id = await _insert_order(sql, total="2", items=[(2, "1")])
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await _insert_item(sql, order_id, quantity=2, unit_price=Decimal("1.10"), total_price=Decimal("2.21"))
    assert refused.value.constraint_name == "ck_order_items_total_price"


@pytest.mark.parametrize(
    ("table", "columns", "constraint"),
    [
        ("orders", {"status": "lost"}, "ck_orders_status"),
        ("orders", {"total_amount": Decimal(0)}, "ck_orders_total_amount"),
        ("orders", {"total_amount": Decimal(-1)}, "ck_orders_total_amount"),
        ("orders", {"currency": "EUR"}, "ck_orders_currency"),
        ("payments", {"status": "paid"}, "ck_payments_status"),
        ("payments", {"amount": Decimal(0)}, "ck_payments_amount"),
        ("payments", {"currency": "euro"}, "ck_payments_currency"),
        ("products", {"unit_price": Decimal(0)}, "ck_products_unit_price"),
        ("products", {"currency": ""}, "ck_products_currency"),
        ("products", {"stock": -1}, "ck_products_reserved_within_stock"),
        ("products", {"stock": 2, "reserved": 3}, "ck_products_reserved_within_stock"),
        ("products", {"reserved": -1}, "ck_products_reserved"),
        ("order_items", {"quantity": 0, "total_price": Decimal(0)}, "ck_order_items_quantity"),
        ("order_items", {"quantity": 1001, "total_price": Decimal(1001)}, "ck_order_items_quantity"),
        ("order_items", {"quantity": -1, "total_price": Decimal(-1)}, "ck_order_items_quantity"),
        ("order_items", {"unit_price": Decimal(0), "total_price": Decimal(0)}, "ck_order_items_unit_price"),
        ("order_items", {"reserved_quantity": 2}, "ck_order_items_reserved_quantity"),
    ],
)
async def test_invalid_value_is_refused_by_the_table(
    sql: Sql, table: str, columns: Columns, constraint: str
) -> None:
    order_id = await _insert_order(sql, total="1", items=[(1, "1")])
    user_id = await sql.fetchval("SELECT user_id FROM orders WHERE id = $1", order_id)
    usual: dict[str, Columns] = {
        "orders": {"user_id": user_id, "total_amount": Decimal(1), "currency": "eur"},
        "payments": {"order_id": order_id, "amount": Decimal(1), "currency": "eur"},
        "products": {"sku": str(uuid4())[:30], "name": "Tea", "unit_price": Decimal(1), "currency": "eur"},
        "order_items": {
            "order_id": order_id,
            "product_name": "Tea",
            "quantity": 1,
            "unit_price": Decimal(1),
            "total_price": Decimal(1),
        },
    }
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await _insert(sql, table, **usual[table] | columns)
    assert refused.value.constraint_name == constraint


async def test_order_has_one_payment_and_an_intent_belongs_to_one(sql: Sql) -> None:
    first, second = [await _insert_order(sql, total="1", items=[(1, "1")]) for _ in range(2)]
    usual: Columns = {"amount": Decimal(1), "currency": "eur"}
    await _insert(sql, "payments", order_id=first, stripe_payment_intent_id="pi_1", **usual)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await _insert(sql, "payments", order_id=first, **usual)
    assert refused.value.constraint_name == "uq_payments_order_id"
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await _insert(sql, "payments", order_id=second, stripe_payment_intent_id="pi_1", **usual)
    assert refused.value.constraint_name == "uq_payments_stripe_payment_intent_id"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pending", "refunded"),
        ("cancelled", "pending"),
        ("expired", "cancelled"),
        ("paid", "pending"),
        ("refunded", "cancelled"),
    ],
)
async def test_order_makes_legal_moves_only(sql: Sql, before: str, after: str) -> None:
    order_id = await _insert_order(sql, total="1", items=[(1, "1")], status=before)
    with pytest.raises(asyncpg.CheckViolationError, match=f"is {before} does not become {after}"):
        await sql.execute("UPDATE orders SET status = $2 WHERE id = $1", order_id, after)


async def test_payment_that_has_succeeded_stays_so(sql: Sql) -> None:
    order_id = await _insert_order(sql, total="1", items=[(1, "1")])
    usual: Columns = {"order_id": order_id, "amount": Decimal(1), "currency": "eur"}
    payment_id = await _insert(sql, "payments", status="succeeded", **usual)
    with pytest.raises(asyncpg.CheckViolationError, match="has succeeded"):
        await sql.execute("UPDATE payments SET status = 'canceled' WHERE id = $1", payment_id)


async def test_rows_with_money_cannot_be_deleted(sql: Sql) -> None:
    order_id = await _insert_order(sql, total="1", items=[(1, "1")])
    await _insert(sql, "payments", order_id=order_id, amount=Decimal(1), currency="eur")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await sql.execute("DELETE FROM orders WHERE id = $1", order_id)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await sql.execute("DELETE FROM users WHERE id = (SELECT user_id FROM orders WHERE id = $1)", order_id)


async def test_email_of_a_user_is_unique_whatever_its_case(sql: Sql) -> None:
    await _insert(sql, "users", email="Ada@example.com")
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await _insert(sql, "users", email="ada@EXAMPLE.com")
    assert refused.value.constraint_name == "uq_users_email"


async def test_every_foreign_key_leads_an_index(sql: Sql) -> None:
    keys = await sql.fetch(
        "SELECT c.conname, EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid"
        " AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL) AS led, c.confdeltype::text"
        " FROM pg_constraint c WHERE c.contype = 'f'"
    )
    assert len(keys) == 18
    assert [key["conname"] for key in keys if not key["led"] or key["confdeltype"] == "a"] == []


async def test_service_cannot_change_tables(sql: Sql) -> None:
    for statement in (
        "DROP TRIGGER orders_total_is_sum_of_items ON orders",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION check_order_totals() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
        "ALTER TABLE products DROP CONSTRAINT ck_products_reserved_within_stock",
        "UPDATE ledger_entries SET amount = 1",
        "DELETE FROM payment_events",
        "CREATE TABLE own (id integer)",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await sql.execute(statement)
        assert refused.value.sqlstate == "42501", statement
