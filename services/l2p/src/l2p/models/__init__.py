"""The tables of `l2p_db`, a file for each aggregate."""

from l2p.models.base import Model
from l2p.models.games import Answer, Game, GameParticipant, GameStatus, Question
from l2p.models.lobbies import IS_PUBLIC, CodeGuesses, Lobby, LobbyPlayer, LobbyStatus
from l2p.models.users import INITIAL_RATING, USER_COLUMNS, AttemptCounter, User

__all__ = [
    "INITIAL_RATING",
    "IS_PUBLIC",
    "USER_COLUMNS",
    "Answer",
    "AttemptCounter",
    "CodeGuesses",
    "Game",
    "GameParticipant",
    "GameStatus",
    "Lobby",
    "LobbyPlayer",
    "LobbyStatus",
    "Model",
    "Question",
    "User",
]
