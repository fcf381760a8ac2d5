"""Question sets of players."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "question_sets"
down_revision = "standings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "question_sets",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        flag("is_public"),
        flag("allow_copy"),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_question_sets"),
        reference("question_sets", "owner_id", "users"),
    )
    op.create_index("idx_question_sets_owner", "question_sets", ["owner_id", "created_at", "id"])
    op.create_index(
        "idx_question_sets_public",
        "question_sets",
        ["created_at", "id"],
        postgresql_where=sa.text("is_public"),
    )
    op.create_index(
        "idx_question_sets_title",
        "question_sets",
        ["title"],
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops"},
    )
    op.create_table(
        "set_questions",
        sa.Column("question_set_id", sa.Uuid(), nullable=False),
        sa.Column("order_index", sa.Integer(), nullable=False),
        sa.Column("question_text", sa.Text(), nullable=False),
        sa.Column("options", JSONB(), nullable=False),
        sa.Column("correct_answer", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), server_default=sa.text("1000"), nullable=False),
        sa.Column("time_limit_ms", sa.Integer()),
        sa.Column("explanation", sa.Text()),
        sa.PrimaryKeyConstraint("question_set_id", "order_index", name="pk_set_questions"),
        reference("set_questions", "question_set_id", "question_sets"),
        check("order_index", "order_index >= 0"),
        check("options", "jsonb_array_length(options) BETWEEN 2 AND 6"),
        check("correct_answer", "options ? correct_answer"),
        check("points", "points BETWEEN 0 AND 10000"),
        check("time_limit_ms", "time_limit_ms BETWEEN 5000 AND 120000"),
    )


def downgrade() -> None:
    op.drop_table("set_questions")
    op.drop_table("question_sets")


def flag(name: str) -> "sa.Column[bool]":
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def moment(name: str) -> "sa.Column[TIMESTAMP]":
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False)


def reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")


def check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_set_questions_{name}"))
