"""The columns of the attempt counters say what they count."""

from alembic import op

revision = "attempt_counter_names"
down_revision = "login_throttling"
branch_labels = None
depends_on = None

RENAMED = (("moments", "attempted_at"), ("pending", "in_flight"), ("rounds", "consecutive_blocks"))


def upgrade() -> None:
    for old, new in RENAMED:
        rename(old, new)


def downgrade() -> None:
    for old, new in RENAMED:
        rename(new, old)


def rename(old: str, new: str) -> None:
    op.alter_column("attempt_counters", old, new_column_name=new)
    if "moments" not in (old, new):  # it has no CHECK
        op.execute(
            f"ALTER TABLE attempt_counters RENAME CONSTRAINT ck_attempt_counters_{old} TO ck_attempt_counters_{new}"
        )
