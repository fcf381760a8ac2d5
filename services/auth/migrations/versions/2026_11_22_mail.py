"""Mail: the outbox, its gate, and the one-use tokens of links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import CITEXT, TIMESTAMP

revision = "mail"
down_revision = "login_throttling"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_mails()
    create_mail_gates()
    create_email_tokens()


def downgrade() -> None:
    for table in ("email_tokens", "mail_gates", "mails"):
        op.drop_table(table)


def create_mails() -> None:
    op.create_table(
        "mails",
        primary_key(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("recipient", CITEXT(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("seed", sa.LargeBinary()),
        moment("created_at", default=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        moment("next_attempt_at", default=True),
        moment("sent_at", nullable=True),
        moment("dead_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_mails_user_id_users", ondelete="CASCADE"),
        sa.CheckConstraint(
            "kind IN ('verify', 'reset', 'change_email', 'undo_email', 'email_taken', 'refresh_token_reuse',"
            " 'password_changed', 'password_reset')",
            name=op.f("ck_mails_kind"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_mails_attempts")),
        sa.CheckConstraint("sent_at IS NULL OR dead_at IS NULL", name=op.f("ck_mails_end")),
        sa.CheckConstraint(
            "(seed IS NULL) = (sent_at IS NOT NULL OR dead_at IS NOT NULL)", name=op.f("ck_mails_seed")
        ),
    )
    op.create_index("ix_mails_user_id", "mails", ["user_id"])
    op.create_index("ix_mails_created_at", "mails", ["created_at"])
    op.create_index("ix_mails_recipient_kind", "mails", ["recipient", "kind"])
    op.create_index(
        "ix_mails_next_attempt_at",
        "mails",
        ["next_attempt_at"],
        postgresql_where=sa.text("sent_at IS NULL AND dead_at IS NULL"),
    )


def create_mail_gates() -> None:
    op.create_table(
        "mail_gates",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        moment("at", default=True),
        sa.PrimaryKeyConstraint("key", name="pk_mail_gates"),
    )
    op.create_index("ix_mail_gates_at", "mail_gates", ["at"])


def create_email_tokens() -> None:
    op.create_table(
        "email_tokens",
        primary_key(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("email", CITEXT(), nullable=False),
        moment("created_at", default=True),
        moment("expires_at"),
        moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_email_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_email_tokens_token_hash"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_email_tokens_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "kind IN ('verify', 'reset', 'change_email', 'undo_email')", name=op.f("ck_email_tokens_kind")
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_email_tokens_expires_at")),
    )
    op.create_index("ix_email_tokens_user_id", "email_tokens", ["user_id"])
    op.create_index("ix_email_tokens_expires_at", "email_tokens", ["expires_at"])
    op.create_index(
        "ix_email_tokens_one_of_a_kind",
        "email_tokens",
        ["user_id", "kind"],
        unique=True,
        postgresql_where=sa.text("kind <> 'undo_email'"),
    )
    op.create_index(
        "ix_email_tokens_undo", "email_tokens", ["email"], postgresql_where=sa.text("kind = 'undo_email'")
    )


def primary_key() -> sa.Column:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)


def moment(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column:
    server_default = sa.text("now()") if default else None
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=server_default, nullable=nullable)
