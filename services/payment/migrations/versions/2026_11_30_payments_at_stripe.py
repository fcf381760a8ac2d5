"""Attempts, refunds, disputes, Stripe's events, the ledger with the figures of orders, and the history of an order."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from dbcommon.migrations import make_append_only

revision = "payments_at_stripe"
down_revision = "users_token_expires_at"
branch_labels = None
depends_on = None

FIGURES = ("amount_paid", "amount_refunded", "amount_refundable", "amount_disputed")
CURRENCY = "currency ~ '^[a-z]{3}$'"
CAUSES = "cause IN ('buyer', 'admin', 'stripe', 'sweep', 'reconcile')"
PENDING = "done_at IS NULL AND failed_at IS NULL"
FLAGS = "flag IN ('amount_mismatch', 'late_payment', 'second_payment')"
ATTEMPT_OUTCOMES = "outcome IN ('succeeded', 'canceled', 'expired', 'refused', 'never_made')"
REFUND_STATUSES = "status IN ('outcome_unknown', 'pending', 'succeeded', 'failed', 'canceled')"
REFUND_REASONS = "reason IN ('duplicate', 'fraudulent', 'requested_by_customer')"
ACCOUNTS = "account IN ('stripe', 'sales', 'refunds_pending', 'refunds', 'disputes', 'chargebacks', 'fees', 'unallocated')"

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Correct an entry by a further one.';
END
$$
"""
REFUSE_CHANGE_OF = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
CHECK_BALANCE = """
CREATE FUNCTION check_ledger_balance() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger_entries WHERE movement = NEW.movement GROUP BY currency HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'movement % is not balanced', NEW.movement
            USING ERRCODE = 'check_violation', TABLE = 'ledger_entries', CONSTRAINT = 'ledger_entries_balanced',
                HINT = 'Write all entries of a movement in one transaction; their sum is zero.';
    END IF;
    RETURN NULL;
END
$$
"""
CHECK_BALANCE_OF_ENTRIES = """
CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_ledger_balance()
"""
# The figures are what the entries in the order's currency sum to: a dispute may be withdrawn in another one.
UPDATE_FIGURES = """
CREATE FUNCTION update_order_figures() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE orders o
        SET amount_paid = f.paid, amount_refunded = f.refunded, amount_disputed = f.disputed,
            amount_refundable = greatest(0, f.paid - f.refunded - f.disputed - f.pending)
        FROM (
            SELECT e.order_id,
                coalesce(-sum(e.amount) FILTER (WHERE e.account = 'sales'), 0) AS paid,
                coalesce(sum(e.amount) FILTER (WHERE e.account IN ('refunds', 'chargebacks')), 0) AS refunded,
                coalesce(sum(e.amount) FILTER (WHERE e.account = 'disputes'), 0) AS disputed,
                coalesce(sum(e.amount) FILTER (WHERE e.account = 'refunds_pending'), 0) AS pending
                FROM ledger_entries e JOIN orders p ON p.id = e.order_id AND p.currency = e.currency
                WHERE e.order_id IN (SELECT order_id FROM added)
                GROUP BY e.order_id
        ) f
        WHERE o.id = f.order_id;
    RETURN NULL;
END
$$
"""
UPDATE_FIGURES_OF_ENTRIES = """
CREATE TRIGGER ledger_entries_figures AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION update_order_figures()
"""


def upgrade() -> None:
    _extend_tables()
    _create_customers()
    _create_attempts()
    _create_refunds()
    _create_disputes()
    _create_history()
    _create_ledger()
    _create_stripe_events()
    op.execute(REFUSE_CHANGE)
    for table in ("ledger_entries", "payment_events"):
        op.execute(REFUSE_CHANGE_OF.format(table=table))
    for statement in (CHECK_BALANCE, CHECK_BALANCE_OF_ENTRIES, UPDATE_FIGURES, UPDATE_FIGURES_OF_ENTRIES):
        op.execute(statement)
    make_append_only(["ledger_entries", "payment_events"])


def downgrade() -> None:
    for table in (
        "stripe_events", "receipt_series", "ledger_entries", "declines", "payment_events", "disputes", "refunds",
        "payment_attempts", "stripe_customers",
    ):  # fmt: skip
        op.drop_table(table)
    for function in ("refuse_change", "check_ledger_balance", "update_order_figures"):
        op.execute(f"DROP FUNCTION {function}()")
    for index in ("ix_payments_created_at_id", "ix_payments_stripe_charge_id"):
        op.drop_index(index, "payments")
    for column in ("stripe_charge_id", "next_action_type", "last_error"):
        op.drop_column("payments", column)
    op.drop_column("order_items", "restocked_quantity")
    op.drop_index("ix_orders_flag", "orders")
    for column in (*FIGURES, "receipt_number", "flag"):
        op.drop_column("orders", column)


def _extend_tables() -> None:
    for figure in FIGURES:
        op.add_column("orders", _money(figure, server_default="0"))
    op.add_column("orders", _text("receipt_number", nullable=True))
    op.add_column("orders", _text("flag", nullable=True))
    op.create_unique_constraint("uq_orders_receipt_number", "orders", ["receipt_number"])
    op.create_check_constraint(op.f("ck_orders_flag"), "orders", FLAGS)
    op.create_index(
        "ix_orders_flag", "orders", ["created_at", "id"], postgresql_where=sa.text("flag IS NOT NULL")
    )
    op.add_column(
        "order_items", sa.Column("restocked_quantity", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_check_constraint(
        op.f("ck_order_items_restocked_quantity"), "order_items", "restocked_quantity BETWEEN 0 AND quantity"
    )
    for column in ("stripe_charge_id", "next_action_type"):
        op.add_column("payments", _text(column, nullable=True))
    op.add_column("payments", sa.Column("last_error", JSONB()))
    op.create_index("ix_payments_created_at_id", "payments", ["created_at", "id"])
    op.create_index("ix_payments_stripe_charge_id", "payments", ["stripe_charge_id"])


def _create_customers() -> None:
    op.create_table(
        "stripe_customers",
        _id(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("parameters", JSONB(), nullable=False),
        _text("stripe_id", nullable=True),
        _moment("gone_at", nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_stripe_customers"),
        sa.UniqueConstraint("stripe_id", name="uq_stripe_customers_stripe_id"),
        _reference("stripe_customers", "user_id", "users"),
    )
    op.create_index("ix_stripe_customers_user_id", "stripe_customers", ["user_id"])
    live = sa.text("gone_at IS NULL")
    op.create_index(
        "uq_stripe_customers_live", "stripe_customers", ["user_id"], unique=True, postgresql_where=live
    )


def _create_attempts() -> None:
    table = "payment_attempts"
    op.create_table(
        table,
        _id(),
        *_order_and_payment(table),
        _text("kind"),
        sa.Column("parameters", JSONB(), nullable=False),
        _text("stripe_id", nullable=True),
        _text("stripe_payment_intent_id", nullable=True),
        _text("client_secret", nullable=True),
        _text("url", nullable=True),
        _moment("first_sent_at", nullable=True),
        _moment("read_at", nullable=True),
        _moment("closed_at", nullable=True),
        _text("outcome", nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_attempts"),
        sa.UniqueConstraint("stripe_id", name="uq_payment_attempts_stripe_id"),
        sa.UniqueConstraint("stripe_payment_intent_id", name="uq_payment_attempts_stripe_payment_intent_id"),
        _check(table, "kind", "kind IN ('payment_intent', 'checkout_session')"),
        _check(table, "outcome", ATTEMPT_OUTCOMES),
        _check(table, "closed", "(closed_at IS NULL) = (outcome IS NULL)"),
    )
    op.create_index("ix_payment_attempts_order_id", table, ["order_id", "id"])
    op.create_index("ix_payment_attempts_payment_id", table, ["payment_id"])
    is_open = sa.text("closed_at IS NULL")
    op.create_index("uq_payment_attempts_open", table, ["order_id"], unique=True, postgresql_where=is_open)


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        _id(),
        *_order_and_payment("refunds"),
        _text("stripe_id", nullable=True),
        _text("stripe_payment_intent_id"),
        _text("stripe_charge_id"),
        _money("amount"),
        _text("currency"),
        _text("status", server_default="outcome_unknown"),
        _text("reason", nullable=True),
        _text("note", nullable=True),
        _text("failure_reason", nullable=True),
        _text("cause"),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("is_automatic", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("restock", JSONB()),
        _moment("restocked_at", nullable=True),
        sa.Column("parameters", JSONB()),
        sa.Column("sends", sa.Integer(), nullable=False, server_default="0"),
        _moment("sent_at", nullable=True),
        _moment("due_at"),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
        sa.UniqueConstraint("stripe_id", name="uq_refunds_stripe_id"),
        _check("refunds", "status", REFUND_STATUSES),
        _check("refunds", "reason", REFUND_REASONS),
        _check("refunds", "cause", CAUSES),
        _check("refunds", "amount", "amount > 0"),
        _check("refunds", "currency", CURRENCY),
        _check("refunds", "note", "char_length(note) <= 500"),
    )
    op.create_index("ix_refunds_order_id", "refunds", ["order_id", "id"])
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_index("ix_refunds_created_at_id", "refunds", ["created_at", "id"])
    unknown = sa.text("status = 'outcome_unknown'")
    op.create_index("ix_refunds_due_at", "refunds", ["due_at"], postgresql_where=unknown)
    automatic = sa.text("is_automatic")
    op.create_index(
        "uq_refunds_automatic", "refunds", ["stripe_charge_id"], unique=True, postgresql_where=automatic
    )


def _create_disputes() -> None:
    op.create_table(
        "disputes",
        _id(),
        _text("stripe_id"),
        *_order_and_payment("disputes"),
        _text("stripe_charge_id"),
        _text("status"),
        _text("reason"),
        _money("amount"),
        _text("currency"),
        _money("withdrawn"),
        sa.Column("is_charge_refundable", sa.Boolean(), nullable=False),
        _moment("evidence_due_by", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_disputes"),
        sa.UniqueConstraint("stripe_id", name="uq_disputes_stripe_id"),
    )
    op.create_index("ix_disputes_order_id", "disputes", ["order_id"])
    op.create_index("ix_disputes_payment_id", "disputes", ["payment_id"])
    op.create_index("ix_disputes_created_at_id", "disputes", ["created_at", "id"])


def _create_history() -> None:
    table = "payment_events"
    op.create_table(
        table,
        _number(),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        _moment("at"),
        _text("cause"),
        sa.Column("actor_id", sa.Uuid()),
        _text("subject"),
        _text("subject_id"),
        _text("from_status", nullable=True),
        _text("to_status"),
        _money("amount", nullable=True),
        _text("stripe_id", nullable=True),
        _text("note", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_payment_events"),
        _reference(table, "order_id", "orders"),
        _check(table, "cause", CAUSES),
        _check(table, "subject", "subject IN ('order', 'payment', 'attempt', 'refund', 'dispute')"),
    )
    op.create_index("ix_payment_events_order_id", table, ["order_id", "id"])
    op.create_table(
        "declines",
        _text("charge_id"),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _moment("at"),
        sa.PrimaryKeyConstraint("charge_id", name="pk_declines"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_declines_user_id_users", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_declines_user_id", "declines", ["user_id", "at"])


def _create_ledger() -> None:
    table = "ledger_entries"
    op.create_table(
        table,
        _number(),
        _text("movement"),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        _text("account"),
        _money("amount"),
        _text("currency"),
        _moment("at"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_entries"),
        sa.UniqueConstraint("movement", "account", name="uq_ledger_entries_movement_account"),
        _reference(table, "order_id", "orders"),
        _check(table, "account", ACCOUNTS),
        _check(table, "amount", "amount <> 0"),
        _check(table, "currency", CURRENCY),
    )
    op.create_index("ix_ledger_entries_order_id", table, ["order_id"])
    op.create_table(
        "receipt_series",
        sa.Column("year", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name="pk_receipt_series"),
    )


def _create_stripe_events() -> None:
    table = "stripe_events"
    op.create_table(
        table,
        _text("id"),
        sa.Column("position", sa.BigInteger(), sa.Identity(), nullable=False),
        _text("type"),
        _text("api_version", nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        _text("subject"),
        _text("body"),
        _moment("received_at"),
        sa.Column("order_id", sa.Uuid()),
        _text("foreign_because", nullable=True),
        _text("last_error", nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        _moment("due_at"),
        _moment("done_at", nullable=True),
        _moment("failed_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_stripe_events"),
    )
    for name, columns, condition in _indexes_of_stripe_events():
        op.create_index(name, table, columns, postgresql_where=sa.text(condition))


def _indexes_of_stripe_events() -> Iterator[tuple[str, list[str], str]]:
    yield "ix_stripe_events_due_at", ["due_at"], PENDING
    yield "ix_stripe_events_subject_position", ["subject", "position"], PENDING
    yield "ix_stripe_events_failed_at", ["failed_at", "id"], "failed_at IS NOT NULL"
    yield "ix_stripe_events_done_at", ["done_at"], "done_at IS NOT NULL"
    yield "ix_stripe_events_order_id", ["order_id"], "order_id IS NOT NULL"


def _id() -> sa.Column:
    return sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()"))


def _number() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False)


def _text(name: str, *, nullable: bool = False, server_default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=server_default)


def _money(name: str, *, nullable: bool = False, server_default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Numeric(18, 3), nullable=nullable, server_default=server_default)


def _moment(name: str, *, nullable: bool = False) -> sa.Column:
    default = None if nullable else sa.func.now()
    return sa.Column(name, TIMESTAMP(timezone=True), nullable=nullable, server_default=default)


def _order_and_payment(table: str) -> Iterator[sa.schema.SchemaItem]:
    for column, target in (("order_id", "orders"), ("payment_id", "payments")):
        yield sa.Column(column, sa.Uuid(), nullable=False)
        yield _reference(table, column, target)


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="RESTRICT")


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))
