"""Checks of the `Origin` header."""

from urllib.parse import urlsplit

from fastapi import Request

from auth.settings import Settings


def is_own_origin(request: Request, *, settings: Settings) -> bool:
    """Whether `Origin` is this service: the origin of AUTH_ISSUER, or of the request's own URL."""
    origin = request.headers.get("origin", "")
    issuer = urlsplit(settings.auth_issuer)
    if origin == f"{issuer.scheme}://{issuer.netloc}":
        return True
    scheme, _, host = origin.partition("://")
    # With an https issuer, a page without https is not ours.
    schemes = ("https",) if issuer.scheme == "https" else ("http", "https")
    return scheme in schemes and host == request.headers.get("host")


def may_use_cookies(request: Request, *, settings: Settings) -> bool:
    """Whether the page may use the session cookie: this service's own pages, and those of `AUTH_CORS_ORIGINS`."""
    origin = request.headers.get("origin")
    return bool(origin) and (origin in settings.cookie_origins or is_own_origin(request, settings=settings))
