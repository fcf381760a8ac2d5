"""Bodies of the routes of tracks."""

from typing import Literal

from pydantic import ConfigDict, Field

from webcommon.api.schemas import ResponseBody


class TrackBody(ResponseBody):
    """Subtitles of a video."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "n": 0,
                    "url": "/v1/videos/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/tracks/0.vtt?track=Zmls",
                    "source": "file",
                    "format": "srt",
                    "language": "en",
                    "label": None,
                    "forced": False,
                    "hearing_impaired": True,
                    "default": False,
                    "text": True,
                }
            ]
        }
    )

    n: int
    url: str | None = Field(description="Of the track as WebVTT; null for pictures.")
    source: Literal["file", "embedded"]
    format: str = Field(description="The extension of the file, or the name of the codec.")
    language: str | None = Field(description="A tag of BCP 47.")
    label: str | None = Field(description="What else the file's name, or the container, says of it.")
    forced: bool
    hearing_impaired: bool
    default: bool
    text: bool = Field(description="False for subtitles that are pictures, which are not converted.")


class TrackList(ResponseBody):
    """All tracks of a video: first the files, by their names."""

    items: list[TrackBody]
