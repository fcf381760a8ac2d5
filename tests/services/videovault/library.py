"""A library under test: the application, a client, and its users' requests."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from videovault.settings import Settings
from webcommon.app.service import Service

_numbers = itertools.count()


def settings_for(database: DatabaseSettings | None, **changed: Any) -> Settings:
    """Settings of a service on that database, which does not look into films."""
    given = {"secret": "s" * 32, "index_seconds": 3600, "media_workers": 0}
    return Settings(**{"database": database, **given, **changed})


def a_video(**changed: Any) -> dict[str, Any]:
    """The body of a valid video with a unique path; `changed` replaces or adds fields."""
    number = next(_numbers)
    return {
        "file_path": f"/videos/{number}.mp4",
        "file_name": f"{number}.mp4",
        "file_size": 1000 + number,
        "mime_type": "video/mp4",
        **changed,
    }


def tag(category: str, name: str) -> dict[str, str]:
    """A tag as the API writes it."""
    return {"tag_category": category, "tag_name": name}


@dataclass(frozen=True, kw_only=True)
class Library:
    """An application, a client of it, and the headers of an editor and of a reader."""

    app: Service
    client: httpx.AsyncClient
    editor: dict[str, str]
    reader: dict[str, str]

    async def post(self, body: Any) -> httpx.Response:
        """Record a video as the editor."""
        return await self.client.post("/v1/videos", json=body, headers=self.editor)

    async def add(self, **changed: Any) -> dict[str, Any]:
        """Record a valid video; returns it from the response."""
        answer = await self.post(a_video(**changed))
        assert answer.status_code == 201, answer.text
        video: dict[str, Any] = answer.json()
        return video

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        """GET as the reader."""
        return await self.client.get(path, params=parameters, headers=self.reader)

    async def delete(self, video_id: str) -> httpx.Response:
        """Delete a video as the editor."""
        return await self.client.delete(f"/v1/videos/{video_id}", headers=self.editor)

    async def names(self, **parameters: Any) -> list[str]:
        """The file names of the first page."""
        answer = await self.get("/v1/videos", **parameters)
        assert answer.status_code == 200, answer.text
        return [video["file_name"] for video in answer.json()["items"]]

    async def pages(self, **parameters: Any) -> AsyncIterator[list[dict[str, Any]]]:
        """The pages of the list, in order."""
        cursor: dict[str, str] = {}
        while True:
            answer = await self.get("/v1/videos", **parameters, **cursor)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            yield page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    async def count(self) -> int:
        """The number of rows of `videos`."""
        return int(await self.value("SELECT count(*) FROM videos"))

    async def value(self, statement: str) -> Any:
        """The only value of a statement."""
        row = await self.app.component(Database).fetch_one(text(statement))
        assert row is not None
        return row[0]

    async def execute(self, statement: str, **parameters: Any) -> None:
        """Run a statement as the runtime role."""
        async with self.app.component(Database).transaction() as db:
            await db.execute(text(statement), parameters)
