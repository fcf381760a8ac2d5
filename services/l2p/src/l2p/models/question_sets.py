"""Players' question sets. A game copies the questions, so a set may be changed and deleted at any time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey
from l2p.models.base import Model


class QuestionSet(Model):
    """A player's set of questions."""

    __tablename__ = "question_sets"
    __table_args__ = (
        Index("idx_question_sets_owner", "owner_id", "created_at", "id"),
        Index("idx_question_sets_public", "created_at", "id", postgresql_where=text("is_public")),
        Index(
            "idx_question_sets_title",
            "title",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops"},
        ),
    )

    id: Mapped[PrimaryKey]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str]
    is_public: Mapped[bool] = mapped_column(server_default=text("false"))
    allow_copy: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SetQuestion(Model):
    """A question of a set. `correct_answer` and `explanation` are for the set's owner."""

    __tablename__ = "set_questions"
    __table_args__ = (
        CheckConstraint("order_index >= 0", name="order_index"),
        CheckConstraint("jsonb_array_length(options) BETWEEN 2 AND 6", name="options"),
        CheckConstraint("options ? correct_answer", name="correct_answer"),
        CheckConstraint("points BETWEEN 0 AND 10000", name="points"),
        CheckConstraint("time_limit_ms BETWEEN 5000 AND 120000", name="time_limit_ms"),
    )

    question_set_id: Mapped[UUID] = mapped_column(
        ForeignKey("question_sets.id", ondelete="CASCADE"), primary_key=True
    )
    order_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    question_text: Mapped[str]
    options: Mapped[list[str]]
    correct_answer: Mapped[str]
    points: Mapped[int] = mapped_column(server_default=text("1000"))
    time_limit_ms: Mapped[int | None]
    """The lobby's when null."""
    explanation: Mapped[str | None]
