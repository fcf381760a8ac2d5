"""First tables: users, products, orders with their lines, payments, idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "payment_0001_first_tables"
down_revision = None
branch_labels = None
depends_on = None

ORDER_STATUSES = "'pending', 'paid', 'partially_refunded', 'refunded', 'cancelled', 'expired', 'disputed'"
PAYMENT_STATUSES = (
    "'requires_payment_method', 'requires_confirmation', 'requires_action', 'processing',"
    " 'requires_capture', 'succeeded', 'canceled'"
)

# Checked at commit, since an order and its lines cannot be written by one statement. Each side of the rule has its own
# trigger: the order's columns and the lines' columns. A line that moves concerns the order it left as well.
CHECK_TOTALS = """
CREATE FUNCTION check_order_totals() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    concerned uuid[];
    wrong record;
BEGIN
    IF TG_TABLE_NAME = 'orders' THEN
        concerned := ARRAY[NEW.id];
    ELSIF TG_OP = 'INSERT' THEN
        concerned := ARRAY[NEW.order_id];
    ELSIF TG_OP = 'DELETE' THEN
        concerned := ARRAY[OLD.order_id];
    ELSE
        concerned := ARRAY[OLD.order_id, NEW.order_id];
    END IF;
    SELECT o.id, o.total_amount, coalesce(sum(i.total_price), 0) AS items_total INTO wrong
        FROM orders o LEFT JOIN order_items i ON i.order_id = o.id
        WHERE o.id = ANY (concerned)
        GROUP BY o.id
        HAVING o.total_amount <> coalesce(sum(i.total_price), 0)
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'order %: total_amount is %, but its items sum to %',
                wrong.id, wrong.total_amount, wrong.items_total
            USING ERRCODE = 'check_violation', TABLE = 'orders', COLUMN = 'total_amount',
                CONSTRAINT = 'orders_total_is_sum_of_items',
                HINT = 'Write an order and its items in one transaction, with total_amount the sum of their total_price.';
    END IF;
    RETURN NULL;
END
$$
"""
CHECK_ORDER = """
CREATE CONSTRAINT TRIGGER orders_total_is_sum_of_items
    AFTER INSERT OR UPDATE OF id, total_amount ON orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_order_totals()
"""
CHECK_ITEM = """
CREATE CONSTRAINT TRIGGER orders_total_is_sum_of_items
    AFTER INSERT OR DELETE OR UPDATE OF order_id, total_price ON order_items
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_order_totals()
"""


def upgrade() -> None:
    _create_users()
    _create_products()
    _create_orders()
    _create_order_items()
    _create_payments()
    _create_idempotency_keys()
    for statement in (CHECK_TOTALS, CHECK_ORDER, CHECK_ITEM):
        op.execute(statement)


def downgrade() -> None:
    for table in ("idempotency_keys", "payments", "order_items", "orders", "products", "users"):
        op.drop_table(table)
    op.execute("DROP FUNCTION check_order_totals()")


def _id() -> sa.Column:
    return sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()"))


def _moment(name: str) -> sa.Column:
    return sa.Column(name, postgresql.TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now())


def _money(name: str) -> sa.Column:
    return sa.Column(name, sa.Numeric(18, 3), nullable=False)


def _create_users() -> None:
    op.create_table(
        "users",
        _id(),
        sa.Column("email", postgresql.CITEXT(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("stripe_customer_id", sa.Text(), nullable=True),
        sa.Column("identity_as_of", postgresql.TIMESTAMP(timezone=True), nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("stripe_customer_id", name="uq_users_stripe_customer_id"),
    )


def _create_products() -> None:
    op.create_table(
        "products",
        _id(),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        _money("unit_price"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("stock", sa.Integer(), nullable=True),
        sa.Column("reserved", sa.Integer(), nullable=False, server_default=sa.text("0")),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("sku", name="uq_products_sku"),
        sa.CheckConstraint("char_length(sku) BETWEEN 1 AND 64", name=op.f("ck_products_sku")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name=op.f("ck_products_name")),
        sa.CheckConstraint("unit_price > 0", name=op.f("ck_products_unit_price")),
        sa.CheckConstraint("currency ~ '^[a-z]{3}$'", name=op.f("ck_products_currency")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_products_reserved")),
        sa.CheckConstraint("reserved <= stock", name=op.f("ck_products_reserved_within_stock")),
    )
    op.create_index("ix_products_created_at_id", "products", ["created_at", "id"])


def _create_orders() -> None:
    op.create_table(
        "orders",
        _id(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, server_default="pending"),
        _money("total_amount"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_orders_user_id_users", ondelete="RESTRICT"
        ),
        sa.CheckConstraint(f"status IN ({ORDER_STATUSES})", name=op.f("ck_orders_status")),
        sa.CheckConstraint("total_amount > 0", name=op.f("ck_orders_total_amount")),
        sa.CheckConstraint("currency ~ '^[a-z]{3}$'", name=op.f("ck_orders_currency")),
    )
    op.create_index("ix_orders_user_id_created_at_id", "orders", ["user_id", "created_at", "id"])
    op.create_index("ix_orders_created_at_id", "orders", ["created_at", "id"])
    op.create_index("ix_orders_status_created_at_id", "orders", ["status", "created_at", "id"])
    op.create_index(
        "ix_orders_expires_at",
        "orders",
        ["expires_at"],
        postgresql_where=sa.text("status = 'pending' AND expires_at IS NOT NULL"),
    )


def _create_order_items() -> None:
    op.create_table(
        "order_items",
        _id(),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("product_name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        _money("unit_price"),
        _money("total_price"),
        sa.Column("reserved_quantity", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_order_items"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name="fk_order_items_order_id_orders", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name="fk_order_items_product_id_products", ondelete="SET NULL"
        ),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000", name=op.f("ck_order_items_quantity")),
        sa.CheckConstraint("unit_price > 0", name=op.f("ck_order_items_unit_price")),
        sa.CheckConstraint("total_price = quantity * unit_price", name=op.f("ck_order_items_total_price")),
        sa.CheckConstraint(
            "reserved_quantity BETWEEN 0 AND quantity", name=op.f("ck_order_items_reserved_quantity")
        ),
    )
    op.create_index("ix_order_items_order_id", "order_items", ["order_id"])
    op.create_index("ix_order_items_product_id", "order_items", ["product_id"])


def _create_payments() -> None:
    op.create_table(
        "payments",
        _id(),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("stripe_payment_intent_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False, server_default="requires_payment_method"),
        _money("amount"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("payment_method", sa.Text(), nullable=True),
        sa.Column("paid_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name="fk_payments_order_id_orders", ondelete="RESTRICT"
        ),
        sa.UniqueConstraint("order_id", name="uq_payments_order_id"),
        sa.UniqueConstraint("stripe_payment_intent_id", name="uq_payments_stripe_payment_intent_id"),
        sa.CheckConstraint(f"status IN ({PAYMENT_STATUSES})", name=op.f("ck_payments_status")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount")),
        sa.CheckConstraint("currency ~ '^[a-z]{3}$'", name=op.f("ck_payments_currency")),
    )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "operation", "key", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_idempotency_keys_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint("char_length(key) BETWEEN 1 AND 255", name=op.f("ck_idempotency_keys_key")),
        sa.CheckConstraint("status_code BETWEEN 200 AND 299", name=op.f("ck_idempotency_keys_status_code")),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
