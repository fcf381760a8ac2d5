"""The dependency of routes that a player reads: a caller by a token or by a playback URL."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from fastapi.requests import HTTPConnection

from dbcommon.engine import Database
from videovault.dependencies import LibraryToken
from videovault.playback_urls.service import read_url
from videovault.playback_urls.signing import PlaybackUrls
from webcommon.app.state import component
from webcommon.auth.bearer import Caller

PlaybackUrlsDep = Annotated[PlaybackUrls, component(PlaybackUrls)]

PlaybackParameter = Annotated[
    str | None, Query(description="The signature in a playback URL, in place of a token.")
]


class PlaybackToken(LibraryToken):
    """The caller of an access token, or of a playback URL of the video in the path."""

    async def __call__(  # type: ignore[override]
        self,
        connection: HTTPConnection,
        video_id: UUID,
        playback: PlaybackParameter = None,
    ) -> Caller:
        app = connection.app
        if playback is None or app.settings.access == "open" or "authorization" in connection.headers:
            return await super().__call__(connection)
        urls = app.component(PlaybackUrls)
        return await read_url(app.component(Database), urls, app.verifier, playback, video_id=video_id)


read_viewer = PlaybackToken()

ViewerDep = Annotated[Caller, Depends(read_viewer)]
"""Whoever may play the video in the path; 401 without a valid token or playback URL."""
