"""A video as a response, with its entity tag."""

from typing import Any

from fastapi import Response

from videovault.entity_tags import entity_tag, is_unchanged
from videovault.videos.schemas import VideoBody

ETAG_HEADER: dict[str, Any] = {
    "ETag": {"description": "Changes when the video does.", "schema": {"type": "string"}}
}


def tag_of(video: VideoBody) -> str:
    """The entity tag of a video, made of all that is shared."""
    return entity_tag(video.model_dump_json().encode())


def represent(
    video: VideoBody,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    if_none_match: str | None = None,
) -> Response:
    """The video as JSON with its `ETag`; 304 when `If-None-Match` names that."""
    body = video.model_dump_json().encode()
    tag = entity_tag(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    if is_unchanged(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, status_code=status, headers=headers, media_type="application/json")
