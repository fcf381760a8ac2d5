"""Games with their participants, questions and answers. They stay when the lobby closes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, one_of
from l2p.models.base import Model

GameStatus = Literal["starting", "question", "reveal", "finished", "aborted", "paused"]


class Game(Model):
    """One game of a lobby."""

    __tablename__ = "games"
    __table_args__ = (
        CheckConstraint(one_of("status", GameStatus), name="status"),
        CheckConstraint("current_question >= 0", name="current_question"),
        Index("idx_games_lobby", "lobby_id"),
        Index("idx_games_status", "status"),
    )

    id: Mapped[PrimaryKey]
    # Lobbies are closed, not deleted: deleting one by hand requires a decision about its games.
    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="RESTRICT"))
    status: Mapped[str] = mapped_column(server_default=text("'starting'"))
    current_question: Mapped[int | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class GameParticipant(Model):
    """A player in a game. The row outlives the player's account, since the other results refer to it."""

    __tablename__ = "game_participants"
    __table_args__ = (
        UniqueConstraint("game_id", "user_id"),
        CheckConstraint("score >= 0", name="score"),
        CheckConstraint("correct_answers >= 0", name="correct_answers"),
        Index("idx_game_participants_user", "user_id"),
    )

    id: Mapped[PrimaryKey]
    game_id: Mapped[UUID] = mapped_column(ForeignKey("games.id", ondelete="CASCADE"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    score: Mapped[int] = mapped_column(server_default=text("0"))
    correct_answers: Mapped[int] = mapped_column(server_default=text("0"))


class Question(Model):
    """A game's own copy of a question, so that a later edit of its set changes no result."""

    __tablename__ = "questions"
    __table_args__ = (
        UniqueConstraint("game_id", "order_index"),
        CheckConstraint("points >= 0", name="points"),
        CheckConstraint("order_index >= 0", name="order_index"),
    )

    id: Mapped[PrimaryKey]
    game_id: Mapped[UUID] = mapped_column(ForeignKey("games.id", ondelete="CASCADE"))
    question_text: Mapped[str]
    options: Mapped[list[str]]
    correct_answer: Mapped[str]
    points: Mapped[int] = mapped_column(server_default=text("1000"))
    order_index: Mapped[int]


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
    submitted_at: Mapped[datetime] = mapped_column(server_default=func.now())
