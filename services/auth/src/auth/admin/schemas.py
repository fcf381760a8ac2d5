"""Bodies of the administrators' routes."""

from pydantic import Field

from auth.schemas import UserAnswer
from webcommon.api.schemas import ResponseBody, Timestamp


class AdministeredUser(UserAnswer):
    """An account as an administrator sees it."""

    disabled_at: Timestamp | None = Field(description="Since when it cannot be used; null while it can.")


class SessionsEnded(ResponseBody):
    """What was ended."""

    ended: int = Field(ge=0, examples=[2], description="How many live sessions there were.")
