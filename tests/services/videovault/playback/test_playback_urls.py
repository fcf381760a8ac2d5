"""The signature in a playback URL."""

import time
from uuid import UUID, uuid4

import pytest

from videovault.dependencies import LOCAL_OWNER
from videovault.playback_urls.signing import PlaybackUrls
from webcommon.auth.bearer import Caller

URLS = PlaybackUrls(b"k" * 32)
VIDEO = uuid4()


def sign(*, seconds: int = 60) -> str:
    """A signature that is good for so long."""
    query = URLS.sign(VIDEO, LOCAL_OWNER, expires_at=int(time.time()) + seconds)
    assert query.startswith("playback=")
    return query.removeprefix("playback=")


def test_it_names_the_user_and_the_session() -> None:
    caller = Caller(
        id=uuid4(),
        session_id=uuid4(),
        email="ada@example.com",
        email_verified=True,
        username="ada",
        roles=frozenset({"admin"}),
        authenticated_at=1,
        expires_at=2,
    )
    query = URLS.sign(VIDEO, caller, expires_at=253_402_300_799)

    read = URLS.read(query.removeprefix("playback="), video_id=VIDEO)

    assert read is not None
    assert (read.id, read.session_id, read.expires_at) == (caller.id, caller.session_id, 253_402_300_799)
    assert read.roles == frozenset()


def test_it_is_good_for_one_video_one_key_and_its_time() -> None:
    assert URLS.read(sign(), video_id=VIDEO) is not None
    assert URLS.read(sign(), video_id=UUID(int=VIDEO.int ^ 1)) is None
    assert PlaybackUrls(b"l" * 32).read(sign(), video_id=VIDEO) is None
    assert URLS.read(sign(seconds=0), video_id=VIDEO) is None


def test_no_character_of_it_can_be_changed() -> None:
    good = sign()
    for place in range(len(good)):
        other = "A" if good[place] != "A" else "B"
        assert URLS.read(good[:place] + other + good[place + 1 :], video_id=VIDEO) is None


@pytest.mark.parametrize("text", ["", "A", "A" * 40, "A" * 96, "ä", "A" * 10_000, "=" * 96, "\ud800"])
def test_what_is_no_signature_is_refused(text: str) -> None:
    assert URLS.read(text, video_id=VIDEO) is None
    assert URLS.read(sign() + text, video_id=VIDEO) is None or text == ""
