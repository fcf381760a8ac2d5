"""Bodies of the host's commands on a lobby."""

from uuid import UUID

from pydantic import Field

from l2p.lobbies.schemas import Flag, LobbyName, LobbySettingsRequest, MaximumPlayers
from webcommon.api.schemas import RequestBody


class PlayerRequest(RequestBody):
    """A player."""

    user_id: UUID = Field(examples=["018f4e6c-7a3b-7c1e-9d3e-2b7a1c9e5f10"])


class KickRequest(PlayerRequest):
    """A player to be put out."""

    ban: Flag = Field(True, description="Whether the player may not come back.")


class LobbyChange(RequestBody):
    """What to change; fields and settings left out stay."""

    # Factories, since OpenAPI would show a default as the value of a field that is left out.
    name: LobbyName = Field(default_factory=str)
    max_players: MaximumPlayers = Field(default_factory=int)
    settings: LobbySettingsRequest = Field(default_factory=LobbySettingsRequest)
