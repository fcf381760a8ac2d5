"""What finished games did to their players: rating changes, results, and the standings of the leaderboards.

Triggers keep `game_results`, `standings` and `standing_counts`, so that rows of plain SQL count as well.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import one_of
from l2p.models.base import Model

Board = Literal["rating", "score", "wins"]

SLOT_WIDTHS = (1, 1000)
"""Players are counted by value, and by thousands of values, so that a rank adds up few rows."""


class RatingChange(Model):
    """What a game did to a participant's rating. The row says that the participant was rated, and is written once."""

    __tablename__ = "rating_changes"

    participant_id: Mapped[UUID] = mapped_column(
        ForeignKey("game_participants.id", ondelete="CASCADE"), primary_key=True
    )
    mu_before: Mapped[float]
    sigma_before: Mapped[float]
    rating_before: Mapped[int]
    mu: Mapped[float]
    sigma: Mapped[float]
    rating: Mapped[int]


class GameResult(Model):
    """A player's result of a finished game. `rank` and `player_count` count all participants, guests too."""

    __tablename__ = "game_results"
    __table_args__ = (
        Index("idx_game_results_user", "user_id", "ended_at", "game_id"),
        Index("idx_game_results_game", "game_id"),
    )

    participant_id: Mapped[UUID] = mapped_column(
        ForeignKey("game_participants.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    game_id: Mapped[UUID] = mapped_column(ForeignKey("games.id", ondelete="CASCADE"))
    ended_at: Mapped[datetime]
    score: Mapped[int]
    rank: Mapped[int]
    player_count: Mapped[int]


class Standing(Model):
    """A player's value on a board in a period; no row where there is none.

    `period` is `all`, `month 2026-11`, `week 2026-11-30` (its Monday) or `day 2026-11-30`, all in UTC.
    """

    __tablename__ = "standings"
    __table_args__ = (
        CheckConstraint(one_of("board", Board), name="board"),
        Index("idx_standings_value", "board", "period", "value", "user_id"),
        Index("idx_standings_user", "user_id"),
    )

    board: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class StandingCount(Model):
    """How many players have a value from `slot * width` on, below the next slot: the sum of `players` of its rows.

    A change adds rows and locks none, since every game that ends would wait for the same few. They are merged later.
    """

    __tablename__ = "standing_counts"
    __table_args__ = (
        Index(
            "idx_standing_counts_slot",
            "board",
            "period",
            "width",
            "slot",
            postgresql_include=["players"],
        ),
        Index("idx_standing_counts_fresh", "id", postgresql_where=text("NOT is_merged")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    board: Mapped[str]
    period: Mapped[str]
    width: Mapped[int]
    slot: Mapped[int] = mapped_column(BigInteger)
    players: Mapped[int] = mapped_column(BigInteger)
    is_merged: Mapped[bool] = mapped_column(server_default=text("false"))
