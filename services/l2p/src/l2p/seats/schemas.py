"""Bodies of the routes of seats."""

from pydantic import ConfigDict, Field

from l2p.lobbies.schemas import Flag, LobbyCode
from webcommon.api.schemas import RequestBody


class JoinRequest(RequestBody):
    """The code of a private lobby; others need none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "KX7DQM"}]})

    code: LobbyCode | None = None


class ReadyRequest(RequestBody):
    """Whether the caller is ready."""

    is_ready: Flag = Field(examples=[True])
