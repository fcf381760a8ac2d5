"""A device that works offline, and syncs: as the browser app will."""

import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx

from tests.services.videovault.library import Library, a_video
from videovault.changes.merge import State, empty, merge, read_record, state_of_change

DAY = 86_400_000
"""Milliseconds."""

_numbers = itertools.count()


def at_ms(ms: int, device: str, counter: int = 0) -> str:
    """A hybrid time."""
    return f"{ms:013}-{counter:05}-{device}"


class Device:
    """Keeps the states of videos, its queue of operations, and a hybrid clock that may be wrong by `offset_ms`."""

    def __init__(
        self, library: Library, *, offset_ms: int = 0, headers: dict[str, str] | None = None
    ) -> None:
        self.library = library
        self.headers = headers or library.editor
        self.name = f"device_{next(_numbers)}"
        self.offset_ms = offset_ms
        self.pulled: dict[str, State] = {}
        self.queue: list[dict[str, Any]] = []
        self.checkpoint: str | None = None
        self._last = ""

    def now(self) -> str:
        """A time later than all that this device made or saw."""
        ms, counter = int(time.time() * 1000) + self.offset_ms, 0
        if self._last and int(self._last[:13]) >= ms:
            ms, counter = int(self._last[:13]), int(self._last[14:19]) + 1
        self._last = at_ms(ms, self.name, counter)
        return self._last

    def _queue(self, entity: str, video_id: str, field: str, value: Any, at: str) -> dict[str, Any]:
        op = {
            "op_id": str(uuid4()),
            "entity": entity,
            "id": video_id,
            "field": field,
            "value": value,
            "at": at,
        }
        self.queue.append(op)
        return op

    def put(self, entity: str, row_id: str, field: str, value: Any) -> dict[str, Any]:
        """Change a field of a row of an entity, or with `*` make or delete the row."""
        return self._queue(entity, row_id, field, value, self.now())

    def create(self, **changed: Any) -> str:
        """Record a video; returns its id."""
        video_id = str(uuid4())
        self._queue("video", video_id, "*", a_video(**changed), self.now())
        return video_id

    def set(self, video_id: str, field: str, value: Any) -> dict[str, Any]:
        """Change a field."""
        return self._queue("video", video_id, field, value, self.now())

    def delete(self, video_id: str) -> dict[str, Any]:
        """Delete a video."""
        return self._queue("video", video_id, "*", None, self.now())

    def tag(self, video_id: str, category: str, name: str) -> dict[str, Any]:
        """Add a tag."""
        at = self.now()
        field = f"{category}:{name}".lower()
        return self._queue("tag", video_id, field, {"adds": {at: [category, name]}}, at)

    def untag(self, video_id: str, field: str) -> dict[str, Any]:
        """Remove the adds of a tag that this device sees."""
        seen = self.state(video_id)["tags"].get(field, {"adds": {}, "removes": []})["adds"]
        return self._queue("tag", video_id, field, {"removes": sorted(seen)}, self.now())

    def state(self, video_id: str) -> State:
        """What was pulled, and what waits."""
        state = self.pulled.get(video_id, empty())
        for op in self.queue:
            if op["id"] == video_id:
                state = merge(state, state_of_change(op["entity"], op["field"], op["value"], at=op["at"]))
        return state

    def record(self, video_id: str) -> dict[str, Any] | None:
        """The video as this device shows it."""
        return read_record(self.state(video_id))

    async def post(self, ops: list[dict[str, Any]], *, limit: int = 1000) -> httpx.Response:
        """One call, without its effect on the device."""
        body = {"device_id": self.name, "ops": ops, "checkpoint": self.checkpoint, "limit": limit}
        headers = {**self.headers, "Content-Type": "application/json"}
        # Not by the client's own encoder, which refuses NaN.
        return await self.library.client.post("/v1/sync", content=json.dumps(body), headers=headers)

    async def push(self, ops: list[dict[str, Any]], *, limit: int = 1000) -> dict[str, Any]:
        """One call, whose changes are stored."""
        answer = await self.post(ops, limit=limit)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        for change in result["changes"]:
            known = self.pulled.get(change["id"], empty())
            said = state_of_change(change["entity"], change["field"], change["value"], at=change["at"])
            self.pulled[change["id"]] = merge(known, said)
            self._last = max(self._last, change["at"])
        self.checkpoint = result["checkpoint"]
        return result

    async def sync(self) -> dict[str, Any]:
        """Push the queue, and pull until there is no more; returns the first answer."""
        first = await self.push(self.queue)
        self.queue = []
        answer = first
        while answer["has_more"]:
            answer = await self.push([])
        return first

    async def pages(self, *, limit: int) -> AsyncIterator[dict[str, Any]]:
        """The answers of a pull."""
        while True:
            answer = await self.push([], limit=limit)
            yield answer
            if not answer["has_more"]:
                return

    async def refused(self) -> dict[str, Any]:
        """The first page of the refused operations."""
        answer = await self.library.client.get("/v1/sync/refused", headers=self.headers)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page


def shown_by_api(video: dict[str, Any]) -> dict[str, Any]:
    """A video of the API, as `merge.read_record` gives it."""
    tags = [[each["tag_category"], each["tag_name"]] for each in video["tags"]]
    return {name: value for name, value in video.items() if name not in {"id", "updated_at"}} | {"tags": tags}
