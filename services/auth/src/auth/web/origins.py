"""Which page a browser's request comes from, as far as this service has to care."""

from urllib.parse import urlsplit

from fastapi import Request

from auth.settings import Settings


def is_own_origin(request: Request, *, settings: Settings) -> bool:
    """Whether `Origin` names this service itself: as clients know it, or as the very request does."""
    origin = request.headers.get("origin", "")
    issuer = urlsplit(settings.auth_issuer)
    if origin == f"{issuer.scheme}://{issuer.netloc}":
        return True
    scheme, _, host = origin.partition("://")
    # A page that came without https is never ours once we are known by https.
    schemes = ("https",) if issuer.scheme == "https" else ("http", "https")
    return scheme in schemes and host == request.headers.get("host")


def may_use_cookies(request: Request, *, settings: Settings) -> bool:
    """Whether the page may call with the cookie of a session: our own, and those of `AUTH_CORS_ORIGINS`."""
    origin = request.headers.get("origin")
    return bool(origin) and (origin in settings.cookie_origins or is_own_origin(request, settings=settings))
