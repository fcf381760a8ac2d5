"""Bodies of the routes of statistics."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody, Timestamp


class RatingPoint(ResponseBody):
    """What a game did to the player's rating."""

    game_id: UUID
    ended_at: Timestamp
    rating_before: int
    rating: int


class Statistics(ResponseBody):
    """A player's numbers over all finished games; zeros without one."""

    games_played: int = Field(examples=[12])
    games_won: int = Field(description="Games of two or more in which nobody had a higher score.")
    win_rate: float = Field(description="From 0 to 1.")
    questions_answered: int
    correct_answers: int
    accuracy: float = Field(description="Right ones of the given answers, from 0 to 1.")
    average_time_ms: int = Field(description="Of the given answers.")
    best_streak: int = Field(description="Right answers in a row, within one game.")
    total_score: int
    rating: int
    rating_history: list[RatingPoint] = Field(description="The newest 100 changes, the oldest first.")


class PlayedGame(ResponseBody):
    """A finished game of a player."""

    game_id: UUID
    started_at: Timestamp
    ended_at: Timestamp
    question_count: int = Field(examples=[10])
    player_count: int
    rank: int
    score: int
    correct_answers: int
    rating_before: int | None = Field(description="Null, as `rating`, unless the game has rated the player.")
    rating: int | None
