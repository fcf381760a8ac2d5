"""Changing how one signs in needs a login that is not long ago."""

import time

from auth.errors import ReauthenticationRequired
from webcommon.bearer import Caller

RECENT_SECONDS = 10 * 60
"""A login younger than this is recent."""


def require_recent_login(caller: Caller) -> None:
    """Raise `ReauthenticationRequired` unless the caller signed in less than `RECENT_SECONDS` ago; refreshing is no login."""
    if time.time() - caller.authenticated_at >= RECENT_SECONDS:
        raise ReauthenticationRequired
