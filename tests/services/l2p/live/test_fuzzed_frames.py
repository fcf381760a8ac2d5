"""Frames of anything: whatever a client sends is answered, and the socket lives."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from l2p.live.frames import CLIENT_MESSAGES
from tests.processes import Running
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import Follower, following
from tests.services.l2p.players import Crowd
from tests.tokens import TokenMint

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

NEAR = st.fixed_dictionaries(
    {"type": st.sampled_from(["answer", "ready", "chat", "ping", "x", ""]) | VALUES},
    optional=dict.fromkeys(("ref", "question_id", "answer", "is_ready", "text", "token", "last_seq"), VALUES),
)
"""Almost a message, and sometimes one."""

FRAMES = st.one_of(
    st.text(max_size=200), st.binary(max_size=200), NEAR.map(json.dumps), VALUES.map(json.dumps)
)


@given(frame=FRAMES)
@settings(max_examples=500)
@pytest.mark.long
def test_a_frame_is_a_message_or_refused(frame: str | bytes) -> None:
    try:
        message = CLIENT_MESSAGES.validate_json(
            frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
        )
    except ValidationError:
        return
    assert message.type in ("auth", "answer", "ready", "chat", "ping")


@pytest.fixture
def process(pair: Pair) -> Running:
    return pair[0]


@given(frames=st.lists(FRAMES, min_size=1, max_size=15))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_socket_lives_whatever_comes(
    process: Running, mint: TokenMint, frames: list[str | bytes]
) -> None:
    player = Crowd(process.client, mint).player()
    lobby = await player.create()
    async with following(process, lobby, player) as follower:
        for frame in frames:
            await follower.socket.connection.send(frame)
        await follower.socket.send({"type": "ping", "ref": "the last one"})
        assert await find_pong(follower) == "the last one"


async def find_pong(follower: Follower) -> str | None:
    """The `ref` of the pong to the last ping; the other frames may be pings as well."""
    while True:
        message = await follower.receive()
        if message["type"] == "pong" and message["data"]["ref"] == "the last one":
            return str(message["data"]["ref"])
