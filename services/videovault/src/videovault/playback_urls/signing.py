"""The signature in a playback URL: for a user, a video and a session, until a time."""

import struct
import time
from uuid import UUID

from webcommon.auth.bearer import Caller
from webcommon.signing import SIGNATURE_BYTES, decode_base64url, encode_base64url, is_signed, sign

LIFETIME_SECONDS = 12 * 3600
"""For so long a playback URL is good, if its session is."""

PARAMETER = "playback"
"""The parameter of the query."""

_GRANT = struct.Struct("!16s16sQ")


class PlaybackUrls:
    """Signs and reads playback URLs. The key is the same on every replica, and after a restart."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, video_id: UUID, caller: Caller, *, expires_at: int) -> str:
        """The query of the URLs of a video, good for this caller until `expires_at` (Unix seconds)."""
        grant = _GRANT.pack(caller.id.bytes, caller.session_id.bytes, expires_at)
        return f"{PARAMETER}={encode_base64url(grant + sign(grant + video_id.bytes, key=self._key))}"

    def read(self, text: str, *, video_id: UUID) -> Caller | None:
        """Whose URL this is; None if it is not one of this video, or is over."""
        try:
            raw = decode_base64url(text)
            grant, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
            user_id, session_id, expires_at = _GRANT.unpack(grant)
        except (ValueError, struct.error):
            return None
        if not is_signed(signature, grant + video_id.bytes, key=self._key) or expires_at <= time.time():
            return None
        return Caller(
            id=UUID(bytes=user_id),
            session_id=UUID(bytes=session_id),
            email=None,
            email_verified=False,
            username=None,
            roles=frozenset(),
            authenticated_at=0,
            expires_at=expires_at,
        )
