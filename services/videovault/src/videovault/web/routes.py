"""Serves the page at `/`, its script, style and icon, and nothing else, under a strict Content-Security-Policy."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, Response

from videovault.entity_tags import entity_tag, is_unchanged
from videovault.settings import Settings

STATIC = Path(__file__).parent / "static"

MEDIA_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

ACCESS_PLACEHOLDER = b'data-access="token"'
"""Tells the page's script whether to ask for an access token."""


def page_router(settings: Settings) -> APIRouter:
    """The routes of the page. They are not part of the API, so not in the OpenAPI document."""
    router = APIRouter(include_in_schema=False)
    headers = security_headers(settings)
    for name, media_type in MEDIA_TYPES.items():
        content = STATIC.joinpath(name).read_bytes()
        if name == "index.html":
            content = content.replace(ACCESS_PLACEHOLDER, f'data-access="{settings.access}"'.encode())
        path = "/" if name == "index.html" else f"/{name}"
        serve = _make_handler(content, media_type=media_type, headers=headers)
        router.add_api_route(path, serve, methods=["GET", "HEAD"], response_model=None)
    return router


def _make_handler(
    content: bytes, *, media_type: str, headers: dict[str, str]
) -> Callable[[str | None], Awaitable[Response]]:
    tag = entity_tag(content)
    headers = {**headers, "ETag": tag, "Cache-Control": "no-cache"}

    async def serve(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        if is_unchanged(if_none_match, tag):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return serve


def security_headers(settings: Settings) -> dict[str, str]:
    """Headers that restrict the page. Its script may connect to this service and to Auth only."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": " ".join(["'self'", *_origin(settings.auth_issuer)]),
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _origin(url: str) -> list[str]:
    # Only a plain origin may become part of a header.
    parts = urlsplit(url)
    is_plain = all(character.isalnum() or character in ".-:[]" for character in parts.netloc)
    return [f"{parts.scheme}://{parts.netloc}"] if parts.scheme in {"http", "https"} and is_plain else []
