"""A real Chromium plays a film of two hours by a playback URL, and seeks in it."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest
import pytest_asyncio
from av.video.frame import VideoFrame
from playwright.async_api import Browser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.services.videovault.conftest import Serve
from tests.services.videovault.scans.folders import Films

pytestmark = pytest.mark.long

SECONDS = 2 * 3600
NAME = "100% #1, ä&ö?"
SUBTITLES = "1\n01:48:00,000 --> 01:48:30,000\nTen to the end\n"

PLAY = """
    async ({ url, track }) => {
        const happens = (target, name) => new Promise((resolve, reject) => {
            target.addEventListener(name, resolve, { once: true });
            target.addEventListener("error", () => reject(new Error(`no ${name}`)), { once: true });
        });
        const video = document.createElement("video");
        video.muted = true;
        video.src = url;
        document.body.replaceChildren(video);
        await happens(video, "loadedmetadata");
        video.currentTime = 0.9 * video.duration;
        await happens(video, "seeked");
        const frame = new Promise((resolve) => video.requestVideoFrameCallback((_, shown) => resolve(shown.mediaTime)));
        await video.play();
        const shown = await frame;
        video.pause();
        const element = document.createElement("track");
        element.src = track;
        element.track.mode = "hidden";
        video.append(element);
        await happens(element, "load");
        const cues = [...element.track.cues].map((cue) => [cue.startTime, cue.text]);
        return { duration: video.duration, width: video.videoWidth, shown, cues };
    }
"""


@pytest.fixture(scope="module")
def scan_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One worker, for the subtitles."""
    return {"media_workers": 1, "cache_folder": str(tmp_path_factory.mktemp("cache"))}


def write_long_film(path: Path) -> None:
    """Two hours at one picture a second, each of which is whole, and much noise, so that the file is large."""
    with av.open(str(path), "w", format="webm") as output:
        stream: Any = output.add_stream("libvpx", rate=1, options={"b": "1M"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 240, "yuv420p", 1
        stream.time_base = Fraction(1, 1)
        noise = VideoFrame.from_bytes(secrets.token_bytes(320 * 240 * 4), 320, 240, format="rgba")
        frame = noise.reformat(format="yuv420p")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        (content,) = [bytes(packet) for packet in (*stream.encode(frame), *stream.encode(None))]
        for second in range(SECONDS):
            packet = av.Packet(content)
            packet.stream, packet.is_keyframe = stream, True
            packet.pts = packet.dts = second
            packet.time_base, packet.duration = Fraction(1, 1), 1
            output.mux(packet)


@dataclass
class Counting:
    """An application, and how many bytes of its answers to GET were sent."""

    app: ASGIApp
    sent: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve and count."""

        async def count(message: Message) -> None:
            self.sent += len(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, count)


@pytest_asyncio.fixture
async def counting(films: Films) -> AsyncIterator[Counting]:
    """The library under test."""
    yield Counting(films.library.app)


async def test_a_film_of_two_hours_is_played_from_ninety_percent(
    films: Films, counting: Counting, chromium: Browser, serve: Serve
) -> None:
    path = films.folder / f"{NAME}.webm"
    write_long_film(path)
    films.write(f"{NAME}.en.srt", SUBTITLES)
    size = path.stat().st_size
    video = await films.library.add(file_path=str(path), mime_type="video/webm")
    begun = await films.library.client.post(
        f"/v1/videos/{video['id']}/playback", headers=films.library.reader
    )
    playback = begun.json()

    async with serve(cast(Any, counting), lifespan="off") as url:
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(f"{url}v1/persistence")
        played = await page.evaluate(PLAY, {"url": playback["url"], "track": playback["tracks"][0]["url"]})
        await context.close()
    path.unlink()

    assert played["duration"] == pytest.approx(SECONDS, abs=1)
    assert played["width"] == 320
    assert 0.9 * SECONDS - 1 <= played["shown"] <= 0.9 * SECONDS + 5
    assert played["cues"] == [[6480, "Ten to the end"]]
    assert size > 400_000_000
    assert counting.sent < size / 10
