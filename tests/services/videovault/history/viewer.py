"""A user who watches."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.services.videovault.library import Library
from tests.tokens import TokenMint


def ago(**parts: float) -> str:
    """A time before now, as the API takes it."""
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """A reader of a library, with what they send and see."""

    library: Library
    mint: TokenMint
    id: UUID = field(default_factory=uuid4)

    @property
    def headers(self) -> dict[str, str]:
        """Those of a token."""
        return self.mint.headers(user_id=self.id)

    async def call(self, method: str, path: str, *, status: int = 200, json: Any = None) -> Any:
        """The body of an answer."""
        answer = await self.library.client.request(method, path, json=json, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def beat(self, video: dict[str, Any], position: float, **more: Any) -> dict[str, Any]:
        """A heartbeat."""
        body = {"position_seconds": position, **more}
        answer: dict[str, Any] = await self.call("PUT", f"/v1/videos/{video['id']}/progress", json=body)
        return answer

    async def history(self) -> list[tuple[str, int, bool]]:
        """Session, position and completed of the history."""
        page = await self.call("GET", "/v1/history")
        return [(each["session_id"], each["position_seconds"], each["completed"]) for each in page["items"]]

    async def unfinished(self) -> list[tuple[str, int]]:
        """Video and position of what can be gone on with."""
        page = await self.call("GET", "/v1/continue-watching")
        return [(each["video_id"], each["position_seconds"]) for each in page["items"]]

    async def mark(self, videos: list[dict[str, Any]], *, watched: bool) -> dict[str, Any]:
        """Mark videos."""
        body = {"video_ids": [video["id"] for video in videos], "watched": watched}
        answer: dict[str, Any] = await self.call("POST", "/v1/history/mark", json=body)
        return answer

    async def undo(self, operation_id: str) -> dict[str, Any]:
        """Undo an operation."""
        answer: dict[str, Any] = await self.call("POST", f"/v1/operations/{operation_id}/undo")
        return answer
