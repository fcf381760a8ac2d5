"""Playback over HTTP: URLs that outlive a token, and end with the session."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.clients import running
from tests.services.videovault.library import settings_for
from tests.services.videovault.scans.folders import Films
from tests.services.videovault.streams.conftest import AddFile
from tests.tokens import TokenMint
from videovault.main import create_app
from videovault.playback_urls.service import DOUBTFUL

CONTENT = bytes(range(250)) * 4


@dataclass(frozen=True)
class Vault:
    """A process of the service on the tests' database, with sessions that have ended as Auth tells it."""

    client: httpx.AsyncClient
    ended: set[UUID]


@contextlib.asynccontextmanager
async def vault(films: Films, mint: TokenMint, **changed: Any) -> AsyncIterator[Vault]:
    """A process of the service."""
    ended: set[UUID] = set()
    settings = settings_for(
        films.library.app.settings.database, media_roots=str(films.folder.parent), **changed
    )
    app = create_app(settings, issuers=[replace(mint.issuer, ended=ended)])
    async with running(app) as client:
        yield Vault(client, ended)


async def begin(films: Films, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """What POST …/playback says of the video with this stream."""
    answer = await films.library.client.post(
        path.replace("/stream", "/playback"), headers=headers or films.library.reader
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    body: dict[str, Any] = answer.json()
    return body


async def test_a_url_plays_without_a_token(films: Films, add_file: AddFile) -> None:
    path = await add_file("100% #1, ä&ö?.mp4", CONTENT)

    playback = await begin(films, path)

    expires_at = datetime.fromisoformat(playback["expires_at"])
    assert abs(expires_at - datetime.now(UTC) - timedelta(hours=12)) < timedelta(minutes=1)
    assert playback["url"].startswith(f"{path}?playback=")
    client = films.library.client
    whole = await client.get(playback["url"])
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["referrer-policy"] == "no-referrer"
    assert whole.headers["cache-control"].startswith("private")
    part = await client.get(playback["url"], headers={"Range": "bytes=-5"})
    assert (part.status_code, part.content) == (206, CONTENT[-5:])
    assert (await client.head(playback["url"])).headers["content-length"] == "1000"
    saved = await client.get(f"{playback['url']}&download=1")
    assert saved.headers["content-disposition"].startswith("attachment")


async def test_what_is_known_of_the_file_is_told(films: Films, add_file: AddFile) -> None:
    metadata = {
        "width": 640,
        "height": 360,
        "streams": [
            {"type": "video", "codec": "png", "cover": True},
            {"type": "video", "codec_string": "avc1.640028"},
            {"type": "audio", "codec_string": "mp4a.40.2"},
            {"type": "audio"},
        ],
        "chapters": [
            {"start_ms": 0, "end_ms": 61_000, "title": "Opening"},
            {"start_ms": 61_000, "end_ms": 90_000},
        ],
    }
    known = await begin(films, await add_file("a.webm", metadata=metadata, mime_type="video/webm"))
    odd = {
        "streams": [{"type": "video", "codec_string": "vp8"}, {"type": "audio"}],
        "width": "wide",
        "height": -1,
        "chapters": [{"title": "x"}],
    }
    unknown = await begin(films, await add_file("b.mp4", metadata=odd))

    assert known["codecs"] == "avc1.640028,mp4a.40.2"
    assert {name: known[name] for name in ("mime_type", "width", "height", "chapters")} == {
        "mime_type": "video/webm",
        "width": 640,
        "height": 360,
        "chapters": [
            {"start_ms": 0, "end_ms": 61_000, "title": "Opening"},
            {"start_ms": 61_000, "end_ms": 90_000, "title": None},
        ],
    }
    assert [unknown[name] for name in ("codecs", "width", "height", "tracks", "chapters")] == [
        *(None, None, None, []),
        [],
    ]


async def test_another_video_and_another_signature_are_refused(films: Films, add_file: AddFile) -> None:
    path, other = await add_file("a.mp4", CONTENT), await add_file("b.mp4", CONTENT)
    url = (await begin(films, path))["url"]

    for refused in (url.replace(path, other), url[:-3] + "AAA", f"{path}?playback=", f"{path}?playback=x"):
        answer = await films.library.client.get(refused)
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthorized"), refused


async def test_a_token_that_is_sent_is_the_one_that_counts(films: Films, add_file: AddFile) -> None:
    url = (await begin(films, await add_file("a.mp4", CONTENT)))["url"]

    answer = await films.library.client.get(url, headers={"Authorization": "Bearer x"})

    assert answer.status_code == 401


async def test_other_routes_take_no_playback_url(films: Films, add_file: AddFile) -> None:
    url = (await begin(films, await add_file("a.mp4", CONTENT)))["url"]

    for path in ("", "/changes"):
        answer = await films.library.client.get(url.replace("/stream", path))
        assert answer.status_code == 401
    assert (await films.library.client.post(url.replace("/stream", "/playback"))).status_code == 401


async def test_a_url_is_good_at_every_process_and_after_a_restart(
    films: Films, add_file: AddFile, mint: TokenMint
) -> None:
    url = (await begin(films, await add_file("a.mp4", CONTENT)))["url"]

    async with vault(films, mint) as another:
        assert (await another.client.get(url)).content == CONTENT
    async with vault(films, mint, secret="t" * 32) as stranger:
        assert (await stranger.client.get(url)).status_code == 401


async def test_a_url_ends_with_its_session_for_all_processes(
    films: Films, add_file: AddFile, mint: TokenMint
) -> None:
    path = await add_file("a.mp4", CONTENT)
    session_id = uuid4()
    url = (await begin(films, path, mint.headers(sid=str(session_id))))["url"]
    lasting = (await begin(films, path))["url"]

    async with vault(films, mint) as process, vault(films, mint) as unaware:
        process.ended.add(session_id)
        assert (await process.client.get(url)).status_code == 401
        # The other one, which Auth has not told yet, is told by the database.
        async with asyncio.timeout(60):
            while (await unaware.client.get(url)).status_code != 401:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        assert (await unaware.client.get(lasting)).status_code == 200
        assert (await process.client.get(lasting)).status_code == 200
    async with vault(films, mint) as restarted:
        assert (await restarted.client.get(url)).status_code == 401
        assert (await restarted.client.get(lasting)).status_code == 200


@pytest.mark.parametrize("minutes", [-1, 1])
async def test_a_session_that_may_have_ended_unheard_is_forgotten(
    films: Films, add_file: AddFile, mint: TokenMint, minutes: int
) -> None:
    """Auth tells of an end for `DOUBTFUL` alone; a service that was away for longer may have missed it."""
    url = (await begin(films, await add_file("a.mp4", CONTENT)))["url"]
    age = DOUBTFUL + timedelta(minutes=minutes)
    await films.library.execute(
        "UPDATE playback_sessions SET checked_at = now() - CAST(:age AS interval)", age=age
    )
    async with vault(films, mint) as back:
        async with asyncio.timeout(60):
            while await films.library.value(  # noqa: ASYNC110 - nobody tells
                "SELECT count(*) FROM playback_sessions WHERE checked_at < now() - interval '2 minutes'"
            ):
                await asyncio.sleep(0.05)
        answer = await back.client.get(url)

    assert answer.status_code == (401 if minutes > 0 else 200)


async def test_a_url_that_is_over_is_forgotten(films: Films, add_file: AddFile, mint: TokenMint) -> None:
    url = (await begin(films, await add_file("a.mp4", CONTENT)))["url"]
    await films.library.execute("UPDATE playback_sessions SET expires_at = now()")

    assert (await films.library.client.get(url)).status_code == 401


async def test_an_open_library_needs_no_signature(films: Films, add_file: AddFile, mint: TokenMint) -> None:
    path = await add_file("a.mp4", CONTENT)
    async with vault(films, mint, access="open") as process:
        here = "http://127.0.0.1:5100"
        begun = await process.client.post(here + path.replace("/stream", "/playback"))
        assert begun.status_code == 200
        assert (await process.client.get(here + begun.json()["url"])).content == CONTENT
        assert (await process.client.get(f"http://rebound.example{begun.json()['url']}")).status_code == 403
    async with vault(films, mint) as closed:
        assert (await closed.client.get(begun.json()["url"])).status_code == 401


async def test_an_unknown_video_is_not_played(films: Films) -> None:
    answer = await films.library.client.post(f"/v1/videos/{uuid4()}/playback", headers=films.library.reader)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/video-not-found")
