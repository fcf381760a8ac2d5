"""Bodies of the route of playback."""

from pydantic import ConfigDict

from videovault.tracks.schemas import TrackBody
from webcommon.api.schemas import ResponseBody, Timestamp


class Chapter(ResponseBody):
    """A chapter, in milliseconds from the beginning."""

    start_ms: int
    end_ms: int
    title: str | None = None


class PlaybackBody(ResponseBody):
    """How to play a video. What is not known of the file is null."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "/v1/videos/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/stream?playback=AZorPE1e",
                    "expires_at": "2026-11-23T06:30:00Z",
                    "mime_type": "video/mp4",
                    "codecs": "avc1.64001f,mp4a.40.2",
                    "width": 1920,
                    "height": 1080,
                    "tracks": [],
                    "chapters": [{"start_ms": 0, "end_ms": 61000, "title": "Opening"}],
                }
            ]
        }
    )

    url: str
    expires_at: Timestamp
    mime_type: str
    codecs: str | None
    width: int | None
    height: int | None
    tracks: list[TrackBody]
    chapters: list[Chapter]
