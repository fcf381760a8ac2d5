"""What routes of signing in with Google ask for, and the cookie that ties a sign-in to its browser."""

from typing import Annotated

from fastapi import Depends, Request, Response

from auth.dependencies import SettingsDep
from auth.google.errors import GoogleNotConfigured
from auth.google.service import GoogleSignIn
from auth.google.state import LIFETIME, cookie_name, is_secret
from auth.settings import Settings


async def find_google(request: Request) -> GoogleSignIn | None:
    """What sign-ins with Google are made with; None when no client is set."""
    found: GoogleSignIn | None = request.app.find_component(GoogleSignIn)
    return found


OptionalGoogleDep = Annotated[GoogleSignIn | None, Depends(find_google)]


async def get_google(google: OptionalGoogleDep) -> GoogleSignIn:
    """What sign-ins with Google are made with. Raises `GoogleNotConfigured`."""
    if google is None:
        raise GoogleNotConfigured
    return google


GoogleDep = Annotated[GoogleSignIn, Depends(get_google)]


async def get_browser(request: Request, settings: SettingsDep) -> str | None:
    """What ties the sign-ins of a browser to it."""
    value = request.cookies.get(cookie_name(secure=_is_secure(settings)))
    return value if is_secret(value) else None


BrowserDep = Annotated[str | None, Depends(get_browser)]


def tie_to_browser(response: Response, browser: str, *, settings: Settings) -> None:
    """Let the browser keep the cookie until it is back from Google."""
    secure = _is_secure(settings)
    response.set_cookie(
        cookie_name(secure=secure),
        browser,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        # The way back from Google is a navigation from another site.
        samesite="lax",
    )


def _is_secure(settings: Settings) -> bool:
    return settings.auth_issuer.startswith("https://")
