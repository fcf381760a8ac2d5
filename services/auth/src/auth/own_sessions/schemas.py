"""Bodies of the routes of one's own sessions."""

from uuid import UUID

from pydantic import Field

from auth.sessions.device import Method
from webcommon.schemas import ResponseBody, Timestamp


class SessionAnswer(ResponseBody):
    """A sign-in that lasts, as its owner sees it."""

    id: UUID
    created_at: Timestamp
    last_used_at: Timestamp = Field(description="When it was refreshed last, or else began.")
    expires_at: Timestamp = Field(description="When it ends unless it is refreshed before.")
    ip: str | None = Field(description="Where it began.", examples=["192.0.2.17"])
    user_agent: str | None = Field(examples=["Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"])
    method: Method
    current: bool = Field(description="Whether it is the session of this very request.")
