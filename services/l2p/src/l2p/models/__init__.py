"""The tables of `l2p_db`, a file for each aggregate."""

from l2p.models.base import Model
from l2p.models.games import IS_RUNNING, Answer, Game, GameParticipant, GameStatus, Question, QuestionResult
from l2p.models.live import LobbyConnection, LobbyEvent, LobbyPresence, Process, Upkeep
from l2p.models.lobbies import IS_PUBLIC, CodeGuesses, Lobby, LobbyBan, LobbyPlayer, LobbyStatus
from l2p.models.question_sets import QuestionSet, SetQuestion
from l2p.models.standings import SLOT_WIDTHS, Board, GameResult, RatingChange, Standing, StandingCount
from l2p.models.users import DISPLAY_NAME, INITIAL_RATING, USER_COLUMNS, AttemptCounter, User

__all__ = [
    "DISPLAY_NAME",
    "INITIAL_RATING",
    "IS_PUBLIC",
    "IS_RUNNING",
    "SLOT_WIDTHS",
    "USER_COLUMNS",
    "Answer",
    "AttemptCounter",
    "Board",
    "CodeGuesses",
    "Game",
    "GameParticipant",
    "GameResult",
    "GameStatus",
    "Lobby",
    "LobbyBan",
    "LobbyConnection",
    "LobbyEvent",
    "LobbyPlayer",
    "LobbyPresence",
    "LobbyStatus",
    "Model",
    "Process",
    "Question",
    "QuestionResult",
    "QuestionSet",
    "RatingChange",
    "SetQuestion",
    "Standing",
    "StandingCount",
    "Upkeep",
    "User",
]
