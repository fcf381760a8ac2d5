"""Bodies of the lobby routes."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from l2p.models import LobbyStatus
from l2p.names import require_name
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

LobbyName = Annotated[
    Text, Field(min_length=1, max_length=100, examples=["Friday quiz"]), AfterValidator(require_name)
]

LobbyCode = Annotated[Text, Field(min_length=1, max_length=32, examples=["KX7DQM"])]
"""Loosely bounded: a malformed code is answered as a wrong one."""

MaximumPlayers = Annotated[int, Field(strict=True, ge=1, le=500, description="Seats.", examples=[8])]

Flag = Annotated[bool, Field(strict=True)]


class LobbySettings(ResponseBody):
    """The rules of a lobby's games. Times are in milliseconds."""

    is_private: Flag = Field(False, description="In no list; players join with the code.")
    question_set_id: UUID | None = Field(None, description="The set that questions are taken from.")
    question_count: Annotated[int, Field(strict=True, ge=1, le=500)] | None = Field(
        None, description="Questions a game; all of the set when null."
    )
    time_limit_ms: int = Field(
        20_000, strict=True, ge=5_000, le=120_000, description="For answering a question."
    )
    speed_bonus: Flag = Field(True, description="Faster answers score more.")
    streak_bonus: Flag = Field(False, description="Right answers in a row score more.")
    reveal_ms: int = Field(
        5_000, strict=True, ge=0, le=60_000, description="How long the right answer is shown."
    )
    read_ms: int = Field(
        0, strict=True, ge=0, le=10_000, description="How long a question is shown before it opens."
    )
    starting_ms: int = Field(
        3_000, strict=True, ge=0, le=10_000, description="From the start of a game to its first question."
    )
    shuffle: Flag = Field(False, description="Questions come in random order.")
    allow_late_join: Flag = Field(True, description="Players may join while a game runs.")
    allow_chat: Flag = Field(True, description="Players may write to each other.")
    locked: Flag = Field(
        False, description="Nobody may join, except that players of the running game may come back."
    )
    host_plays: Flag = Field(True, description="The host has a seat, and takes part in the games.")
    advance: Literal["auto", "host"] = Field(
        "auto", description="Whether the next question follows the reveal by itself, or the host's `next`."
    )


class LobbySettingsRequest(LobbySettings):
    """The settings of a new lobby; those left out have their defaults."""

    model_config = ConfigDict(extra="forbid")


class LobbyRequest(RequestBody):
    """A lobby to be created."""

    name: LobbyName
    max_players: MaximumPlayers = 8
    settings: LobbySettingsRequest = LobbySettingsRequest()


class LobbyPlayer(ResponseBody):
    """A player in a lobby."""

    user_id: UUID
    username: str | None = Field(examples=["ada"])
    rating: int
    is_ready: bool
    joined_at: Timestamp


class LobbySummary(ResponseBody):
    """A lobby as lists show it."""

    id: UUID
    name: str = Field(examples=["Friday quiz"])
    code: str | None = Field(description="Valid while the lobby is open.", examples=["KX7DQM"])
    status: LobbyStatus
    creator_id: UUID | None = Field(description="Who created it; null when that account is gone.")
    host_id: UUID | None = Field(description="Who hosts it now; null once it is closed.")
    max_players: int = Field(examples=[8])
    player_count: int = Field(examples=[3])
    settings: LobbySettings
    created_at: Timestamp


class Lobby(LobbySummary):
    """A lobby with the players who are in it, the longest-present first."""

    game_id: UUID | None = Field(description="The running game; null when none runs.")
    players: list[LobbyPlayer] = Field(description="The first hundred; `…/players` lists all.")
