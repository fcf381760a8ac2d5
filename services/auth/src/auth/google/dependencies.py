"""Dependencies of the routes of sign-in with Google, and the cookie that binds a sign-in to its browser."""

from typing import Annotated

from fastapi import Depends, Request, Response

from auth.google.errors import GoogleNotConfigured
from auth.google.service import GoogleSignIn
from auth.google.state import LIFETIME, cookie_name, is_secret
from auth.settings import Settings, SettingsDep


async def find_google(request: Request) -> GoogleSignIn | None:
    """The parts of sign-in with Google; None when no client is configured."""
    found: GoogleSignIn | None = request.app.find_component(GoogleSignIn)
    return found


OptionalGoogleDep = Annotated[GoogleSignIn | None, Depends(find_google)]


async def get_google(google: OptionalGoogleDep) -> GoogleSignIn:
    """The parts of sign-in with Google. Raises `GoogleNotConfigured`."""
    if google is None:
        raise GoogleNotConfigured
    return google


GoogleDep = Annotated[GoogleSignIn, Depends(get_google)]


async def get_browser_secret(request: Request, settings: SettingsDep) -> str | None:
    """The secret that binds sign-ins to this browser, from its cookie."""
    value = request.cookies.get(cookie_name(secure=_is_secure(settings)))
    return value if is_secret(value) else None


BrowserDep = Annotated[str | None, Depends(get_browser_secret)]


def set_browser_cookie(response: Response, browser: str, *, settings: Settings) -> None:
    """Set the cookie that binds a sign-in to this browser, for as long as the sign-in may take."""
    secure = _is_secure(settings)
    response.set_cookie(
        cookie_name(secure=secure),
        browser,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        # The callback is a navigation from Google's site, to which no strict cookie is sent.
        samesite="lax",
    )


def _is_secure(settings: Settings) -> bool:
    return settings.auth_issuer.startswith("https://")
