"""Games with their participants, questions and answers. They stay when the lobby closes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, one_of
from l2p.models.base import Model

GameStatus = Literal["starting", "question", "reveal", "finished", "aborted", "paused"]

IS_RUNNING = text("status NOT IN ('finished', 'aborted')")
"""Shared by queries and partial indexes, which are used only while both have the same expression."""


class Game(Model):
    """One game of a lobby."""

    __tablename__ = "games"
    __table_args__ = (
        CheckConstraint(one_of("status", GameStatus), name="status"),
        CheckConstraint("current_question >= 0", name="current_question"),
        Index("idx_games_lobby", "lobby_id"),
        CheckConstraint(one_of("paused_status", GameStatus), name="paused_status"),
        Index("idx_games_status", "status"),
        Index("uq_games_running", "lobby_id", unique=True, postgresql_where=IS_RUNNING),
        Index("idx_games_lease", "lease_until", postgresql_where=IS_RUNNING),
    )

    id: Mapped[PrimaryKey]
    # Lobbies are closed, not deleted: deleting one by hand requires a decision about its games.
    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="RESTRICT"))
    status: Mapped[str] = mapped_column(server_default=text("'starting'"))
    current_question: Mapped[int | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """The lobby's settings at the start: the rules of this game."""
    phase_ends_at: Mapped[datetime | None]
    """When the driver ends the phase; null while it waits for the host, and after the end."""
    paused_status: Mapped[str | None]
    """The status that a paused game goes back to."""
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str | None]
    """`nobody connected` for a game that goes on by itself when somebody is back."""
    lease_holder: Mapped[UUID | None]
    """The process that drives the game; null when it was handed over, or is over."""
    lease_epoch: Mapped[int] = mapped_column(server_default=text("0"))
    """Rises with each holder. A former holder's writes name an old one, and change nothing."""
    lease_until: Mapped[datetime | None]


class GameParticipant(Model):
    """A player in a game. The row outlives the player's account, since the other results refer to it."""

    __tablename__ = "game_participants"
    __table_args__ = (
        UniqueConstraint("game_id", "user_id"),
        CheckConstraint("first_question >= 0", name="first_question"),
        CheckConstraint("streak >= 0", name="streak"),
        CheckConstraint("score >= 0", name="score"),
        CheckConstraint("correct_answers >= 0", name="correct_answers"),
        Index("idx_game_participants_user", "user_id"),
    )

    id: Mapped[PrimaryKey]
    game_id: Mapped[UUID] = mapped_column(ForeignKey("games.id", ondelete="CASCADE"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    score: Mapped[int] = mapped_column(server_default=text("0"))
    correct_answers: Mapped[int] = mapped_column(server_default=text("0"))
    first_question: Mapped[int] = mapped_column(server_default=text("0"))
    """The `order_index` from which the player takes part: above 0 for one who came late."""
    streak: Mapped[int] = mapped_column(server_default=text("0"))
    """Right answers in a row up to the last closed question."""
    rank: Mapped[int | None]
    """In the final ranking, shared by equal scores."""


class Question(Model):
    """A game's own copy of a question, so that a later edit of its set changes no result."""

    __tablename__ = "questions"
    __table_args__ = (
        UniqueConstraint("game_id", "order_index"),
        CheckConstraint("points >= 0", name="points"),
        CheckConstraint("order_index >= 0", name="order_index"),
        CheckConstraint("time_limit_ms > 0", name="time_limit_ms"),
    )

    id: Mapped[PrimaryKey]
    game_id: Mapped[UUID] = mapped_column(ForeignKey("games.id", ondelete="CASCADE"))
    question_text: Mapped[str]
    options: Mapped[list[str]]
    correct_answer: Mapped[str]
    points: Mapped[int] = mapped_column(server_default=text("1000"))
    order_index: Mapped[int]
    explanation: Mapped[str | None]
    time_limit_ms: Mapped[int] = mapped_column(server_default=text("20000"))
    opens_at: Mapped[datetime | None]
    """Null until the question is shown; an interruption moves it and `closes_at` by its length."""
    closes_at: Mapped[datetime | None]
    """The time up to which an answer has to arrive."""
    closed_at: Mapped[datetime | None]
    """When the scores were counted: no answer is stored after that."""


class Answer(Model):
    """A participant's one answer to a question; times are in milliseconds of the server's clock."""

    __tablename__ = "answers"
    __table_args__ = (
        UniqueConstraint("participant_id", "question_id"),
        CheckConstraint("time_taken_ms >= 0", name="time_taken_ms"),
        Index("idx_answers_question", "question_id"),
    )

    id: Mapped[PrimaryKey]
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("game_participants.id", ondelete="CASCADE"))
    question_id: Mapped[UUID] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"))
    answer: Mapped[str]
    is_correct: Mapped[bool]
    time_taken_ms: Mapped[int]
    lag_credit_ms: Mapped[int] = mapped_column(server_default=text("0"))
    """What was taken off the time for the way over the network."""
    submitted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class QuestionResult(Model):
    """A participant's result of a closed question, also without an answer. `score` and `rank` are those after it."""

    __tablename__ = "question_results"
    __table_args__ = (
        CheckConstraint("points >= 0", name="points"),
        CheckConstraint("rank >= 1", name="rank"),
        Index("idx_question_results_participant", "participant_id"),
    )

    question_id: Mapped[UUID] = mapped_column(
        ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True
    )
    participant_id: Mapped[UUID] = mapped_column(
        ForeignKey("game_participants.id", ondelete="CASCADE"), primary_key=True
    )
    points: Mapped[int]
    score: Mapped[int]
    rank: Mapped[int]
    streak: Mapped[int]
