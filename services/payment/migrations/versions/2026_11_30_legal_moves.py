"""The database refuses illegal moves of orders and payments; claims of Stripe's events use their index."""

import sqlalchemy as sa
from alembic import op

revision = "legal_moves"
down_revision = "lists_by_status"
branch_labels = None
depends_on = None

PENDING = "done_at IS NULL AND failed_at IS NULL"

# From a status to those that may follow. An order that was closed is paid only when an admin accepts money that came late.
ORDERS = """
CREATE FUNCTION check_order_move() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.status = ANY (CASE OLD.status
        WHEN 'pending' THEN ARRAY['paid', 'cancelled', 'expired']
        WHEN 'cancelled' THEN ARRAY['paid']
        WHEN 'expired' THEN ARRAY['paid']
        ELSE ARRAY['paid', 'partially_refunded', 'refunded', 'disputed']
    END) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an order that is % does not become %', OLD.status, NEW.status
        USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_legal_move';
END
$$
"""
PAYMENTS = """
CREATE FUNCTION check_payment_move() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'a payment that has succeeded does not become %', NEW.status
        USING ERRCODE = 'check_violation', TABLE = 'payments', CONSTRAINT = 'payments_legal_move';
END
$$
"""
ON_ORDERS = """
CREATE TRIGGER orders_legal_move BEFORE UPDATE OF status ON orders
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION check_order_move()
"""
ON_PAYMENTS = """
CREATE TRIGGER payments_legal_move BEFORE UPDATE OF status ON payments
    FOR EACH ROW WHEN (OLD.status = 'succeeded' AND NEW.status <> 'succeeded') EXECUTE FUNCTION check_payment_move()
"""


def upgrade() -> None:
    for statement in (ORDERS, PAYMENTS, ON_ORDERS, ON_PAYMENTS):
        op.execute(statement)
    _create_due_index(f"{PENDING} AND attempts >= 0")


def downgrade() -> None:
    _create_due_index(PENDING)
    op.execute("DROP TRIGGER payments_legal_move ON payments")
    op.execute("DROP TRIGGER orders_legal_move ON orders")
    op.execute("DROP FUNCTION check_payment_move()")
    op.execute("DROP FUNCTION check_order_move()")


def _create_due_index(condition: str) -> None:
    op.drop_index("ix_stripe_events_due_at", "stripe_events")
    op.create_index(
        "ix_stripe_events_due_at", "stripe_events", ["due_at"], postgresql_where=sa.text(condition)
    )
