"""The tables of `l2p_db`.

A lobby is a room that outlives its games; `lobby_players` holds who sits in it now. A game keeps its participants,
questions and answers for good, whatever becomes of its lobby.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dbcommon.models import PrimaryKey, new_metadata, one_of
from webcommon.accounts.provisioning.columns import UserColumns
from webcommon.accounts.throttling.table import AttemptCounterColumns

INITIAL_RATING = 1500

LobbyStatus = Literal["waiting", "in_game", "closed"]
GameStatus = Literal["starting", "question", "reveal", "finished", "aborted", "paused"]

IS_PUBLIC = text("(NOT settings @> '{\"is_private\": true}'::jsonb)")
"""Written once, so that a query's condition and the index over it stay the same expression."""


class Model(DeclarativeBase):
    """Base of this service's tables."""

    metadata = new_metadata()
    type_annotation_map = {  # noqa: RUF012 - read once by SQLAlchemy, as its documentation has it
        str: Text(),
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }


class User(Model):
    """A player: an account of Learn2Play itself (with a password), or one that came with a token of Auth."""

    __tablename__ = "users"
    __table_args__ = (
        # What came with a token may be nulled when it turns out stale; an account of our own keeps both names.
        CheckConstraint(
            "password_hash IS NULL OR (username IS NOT NULL AND email IS NOT NULL)",
            name="own_account_is_named",
        ),
        UniqueConstraint("email"),
        UniqueConstraint("username"),
    )

    id: Mapped[PrimaryKey]
    username: Mapped[str | None] = mapped_column(CITEXT)
    email: Mapped[str | None] = mapped_column(CITEXT)
    password_hash: Mapped[str | None]
    rating: Mapped[int] = mapped_column(server_default=text(str(INITIAL_RATING)))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    token_expires_at: Mapped[datetime | None]
    """When the newest token expires whose names this row has; an older token changes nothing."""


USER_COLUMNS = UserColumns(
    id=User.id,
    email=User.email,
    username=User.username,
    token_expires_at=User.token_expires_at,
    username_is_unique=True,
    is_local=User.password_hash.is_not(None),
)


class Lobby(Model):
    """A room where players gather for games."""

    __tablename__ = "lobbies"
    __table_args__ = (
        CheckConstraint("max_players BETWEEN 1 AND 500", name="max_players"),
        CheckConstraint(one_of("status", LobbyStatus), name="status"),
        # An open lobby's code is its own; a closed one's may be given out again.
        Index("uq_lobbies_code", "code", unique=True, postgresql_where=text("status <> 'closed'")),
        Index("idx_lobbies_status", "status", IS_PUBLIC, "created_at", "id"),
        Index("idx_lobbies_creator", "creator_id"),
        Index("idx_lobbies_host", "host_id"),
        Index("idx_lobbies_name", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
    )

    id: Mapped[PrimaryKey]
    creator_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    host_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    name: Mapped[str]
    code: Mapped[str | None]
    max_players: Mapped[int] = mapped_column(server_default=text("8"))
    status: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LobbyPlayer(Model):
    """A seat that is taken now. Leaving frees it: who was there before is for the history to tell, not for this table."""

    __tablename__ = "lobby_players"
    __table_args__ = (UniqueConstraint("lobby_id", "user_id"), Index("idx_lobby_players_user", "user_id"))

    id: Mapped[PrimaryKey]
    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    is_ready: Mapped[bool] = mapped_column(server_default=text("false"))
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CodeGuesses(Model):
    """When a player last tried lobby codes that were wrong."""

    __tablename__ = "code_guesses"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    guessed_at: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))


class AttemptCounter(AttemptCounterColumns, Model):
    """Failed logins of an account, a device or a network, and sign-ups of a network."""


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
    # Lobbies are closed, not deleted. Whoever deletes one by hand has to say what shall become of its games.
    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="RESTRICT"))
    status: Mapped[str] = mapped_column(server_default=text("'starting'"))
    current_question: Mapped[int | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class GameParticipant(Model):
    """A player in a game. The result stays for the others when the player's account goes."""

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
