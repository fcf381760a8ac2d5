"""The rules of playback URLs: they end with the session, which Auth tells of for a while only."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from videovault.dependencies import LOCAL_OWNER
from videovault.playback_urls import repository
from videovault.playback_urls.signing import LIFETIME_SECONDS, PlaybackUrls
from webcommon.api.problems import Unauthorized
from webcommon.auth.bearer import Caller, TokenVerifier
from webcommon.auth.revocations import ACCESS_TOKEN_SECONDS, LISTED_SECONDS

NOTED_EVERY = timedelta(minutes=1)
DOUBTFUL = timedelta(seconds=LISTED_SECONDS)
"""A session that ended longer ago is not listed any more: if Auth was not heard for so long, it may have ended unheard."""


async def sign_url(
    db: AsyncSession, urls: PlaybackUrls, video_id: UUID, *, caller: Caller, now: float
) -> tuple[str, int]:
    """The query of the video's URLs for this caller, and until when they are good, in Unix seconds."""
    expires_at = int(now) + LIFETIME_SECONDS
    # When the token was signed the session had not ended; whether it has since, the next look tells.
    signed_at = caller.expires_at - ACCESS_TOKEN_SECONDS
    await repository.keep_session(
        db,
        caller.session_id,
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        checked_at=datetime.fromtimestamp(signed_at, UTC),
    )
    return urls.sign(video_id, caller, expires_at=expires_at), expires_at


async def read_url(
    database: Database, urls: PlaybackUrls, verifier: TokenVerifier, text: str, *, video_id: UUID
) -> Caller:
    """Whose playback URL this is. Raises `Unauthorized` when it is not one of the video, is over, or its session is."""
    caller = urls.read(text, video_id=video_id)
    if (
        caller is None
        # A URL of a time when access was open.
        or caller.session_id == LOCAL_OWNER.session_id
        or verifier.has_ended(caller.session_id)
        or not await repository.is_known(database, caller.session_id)
    ):
        raise Unauthorized("The playback URL is not valid here or has expired; ask for a new one.")
    return caller


async def forget_ended(database: Database, verifier: TokenVerifier, *, is_heard: bool) -> None:
    """Forget the sessions that have ended, for all processes and after a restart. `is_heard`: Auth has told just now which
    have."""
    known = await repository.list_sessions(database)
    if not known:
        return
    async with database.transaction() as db:
        await repository.delete_ended(db, [each for each in known if verifier.has_ended(each)])
        if is_heard:
            await repository.note_check(db, every=NOTED_EVERY, doubtful=DOUBTFUL)
