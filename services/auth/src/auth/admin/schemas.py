"""Bodies of the administrators' routes."""

from pydantic import Field

from auth.schemas import UserAnswer
from webcommon.api.schemas import ResponseBody, Timestamp


class AdministeredUser(UserAnswer):
    """An account as an administrator sees it."""

    disabled_at: Timestamp | None = Field(description="When it was disabled; null while it is enabled.")


class SessionsEnded(ResponseBody):
    """The number of ended sessions."""

    ended: int = Field(ge=0, examples=[2], description="The live sessions that were ended.")
