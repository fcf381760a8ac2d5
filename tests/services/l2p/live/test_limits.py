"""What one client may ask of a process: the counting, without sockets."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from l2p.clock.clock import DatabaseClock
from l2p.live.codes import INVALID_TOKEN, REPLACED, TOO_SLOW, Closed
from l2p.live.errors import TooManySockets, TooManyUnauthenticated
from l2p.live.limits import QUEUED_BYTES, QUEUED_MESSAGES, STALLED_SECONDS, Allowance, SocketLimits
from l2p.live.outbox import Outbox
from l2p.live.sessions import Sessions
from tests.documented import unconnected
from tests.tokens import TokenMint
from webcommon.auth.bearer import Caller, Issuer, TokenVerifier


def test_an_allowance_lets_a_burst_and_then_its_rate_through() -> None:
    allowance = Allowance(per_second=8, at_once=4)
    assert [allowance.take(100.0) for _ in range(4)] == [0] * 4
    assert allowance.take(100.0) == 125
    assert allowance.take(100.0625) == 63
    assert allowance.refused == 2
    assert allowance.take(100.125) == 0
    assert allowance.take(100.125) == 125
    # Once it is full again, what was refused is forgotten.
    assert [allowance.take(101.0) for _ in range(5)] == [0] * 4 + [125]
    assert allowance.refused == 1


def make_outbox(user_id: UUID | None = None) -> Outbox:
    database = unconnected("l2p").database
    assert database is not None
    return Outbox(DatabaseClock(database), user_id or uuid4())


async def find_end(outbox: Outbox) -> int | None:
    """The code with which the outbox ends its client at once."""
    try:
        async with asyncio.timeout(0):
            await outbox.watch()
    except Closed as closed:
        return closed.code
    except TimeoutError:
        pass
    return None


async def test_a_client_that_leaves_too_many_messages_is_ended() -> None:
    outbox = make_outbox()
    for _ in range(QUEUED_MESSAGES):
        outbox.put_text("{}", seq=None)
    assert await find_end(outbox) is None
    outbox.put_text("{}", seq=None)
    assert await find_end(outbox) == TOO_SLOW
    assert outbox.take() is None


async def test_a_client_that_leaves_too_many_bytes_is_ended() -> None:
    outbox = make_outbox()
    # Bytes, not characters: each of these is three.
    outbox.put_text("€" * (QUEUED_BYTES // 3), seq=None)
    assert await find_end(outbox) is None
    outbox.put_text("€", seq=None)
    assert await find_end(outbox) == TOO_SLOW


async def test_a_client_that_takes_nothing_is_ended() -> None:
    outbox = make_outbox()
    outbox.put_text("{}", seq=None)
    started = asyncio.Event()

    async def never_written() -> None:
        started.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(outbox.write_all(never_written))
    await started.wait()
    now = asyncio.get_running_loop().time()
    outbox.end_if_stalled(now + STALLED_SECONDS - 1)
    assert await find_end(outbox) is None
    outbox.end_if_stalled(now + STALLED_SECONDS + 1)
    assert await find_end(outbox) == TOO_SLOW
    writing.cancel()


async def test_arrays_stay_below_the_limit_of_a_frame() -> None:
    outbox = make_outbox()
    for _ in range(20):
        outbox.put_text('"' + "€" * 3000 + '"', seq=None)
    arrays = []
    while (array := outbox.take_array()) != "":
        arrays.append(array)
    assert sum(array.count('"') for array in arrays) == 40
    assert all(len(array.encode()) < 64 * 1024 for array in arrays)
    assert len(arrays) == 4


@dataclass
class Entered:
    lobby_id: UUID
    caller: Caller
    outbox: Outbox


def make_caller(*, expires_at: int = 2_000, user_id: UUID | None = None) -> Caller:
    return Caller(
        id=user_id or uuid4(),
        session_id=uuid4(),
        email=None,
        email_verified=False,
        username=None,
        roles=frozenset(),
        authenticated_at=1_000,
        expires_at=expires_at,
    )


def make_session(lobby_id: UUID, caller: Caller) -> Entered:
    return Entered(lobby_id, caller, make_outbox(caller.id))


async def test_one_socket_too_many_of_a_user_ends_the_oldest_on_that_lobby() -> None:
    sessions, lobby_id, caller = Sessions(), uuid4(), make_caller()
    with ExitStack() as stack:
        elsewhere = make_session(uuid4(), caller)
        others = make_session(lobby_id, make_caller())
        own = [make_session(lobby_id, caller) for _ in range(7)]
        for session in (elsewhere, others, *own):
            stack.enter_context(sessions.entered(session))
        ends = [await find_end(session.outbox) for session in own]
        assert ends == [REPLACED, REPLACED, None, None, None, None, None]
        assert await find_end(elsewhere.outbox) is None
        assert await find_end(others.outbox) is None


async def test_the_oldest_is_the_one_that_was_connected_first() -> None:
    sessions, lobby_id, caller = Sessions(), uuid4(), make_caller()
    with ExitStack() as stack:
        # The first is not connected yet.
        own = [make_session(lobby_id, caller) for _ in range(6)]
        for number, session in enumerate(own[1:]):
            session.outbox.opened_at = datetime(2026, 1, 1, second=9 - number, tzinfo=UTC)
        for session in own:
            stack.enter_context(sessions.entered(session))
        ends = [await find_end(session.outbox) for session in own]
        assert ends == [None, None, None, None, None, REPLACED]


def test_a_process_has_room_for_so_many_sockets_and_streams() -> None:
    sessions = Sessions(SocketLimits(in_all=3))
    with sessions.place(), sessions.admitted("a"):
        with sessions.place():
            with pytest.raises(TooManySockets), sessions.place():
                pass
            with pytest.raises(TooManySockets), sessions.admitted("b"):
                pass
        with sessions.place():
            assert sessions.count == 3
    assert sessions.count == 0


def test_a_network_has_so_many_sockets_without_a_token() -> None:
    sessions = Sessions(SocketLimits(unauthenticated=2))
    with sessions.admitted("a") as first, sessions.admitted("a"):
        with pytest.raises(TooManyUnauthenticated), sessions.admitted("a"):
            pass
        with sessions.admitted("b"):
            pass
        first.authenticated()
        first.authenticated()
        with sessions.admitted("a"):
            assert sessions.count == 3
        with pytest.raises(TooManyUnauthenticated), sessions.admitted("a"), sessions.admitted("a"):
            pass


async def test_a_session_without_a_valid_token_ends(mint: TokenMint) -> None:
    ended: set[UUID] = set()
    issuer = Issuer(
        issuer=mint.issuer.issuer, audience=mint.issuer.audience, keys=mint.issuer.keys, ended=ended
    )
    now = 1_000.0
    verifier = TokenVerifier(issuer, clock=lambda: now)
    sessions, lobby_id = Sessions(), uuid4()
    valid, expired, over = (make_session(lobby_id, make_caller(expires_at=at)) for at in (9_999, 950, 940))
    signed_out = make_session(lobby_id, make_caller(expires_at=9_999))
    ended.add(signed_out.caller.session_id)
    with ExitStack() as stack:
        for session in (valid, expired, over, signed_out):
            stack.enter_context(sessions.entered(session))
        sessions.check(verifier)
        ends = [await find_end(session.outbox) for session in (valid, expired, over, signed_out)]
    # An expired token has a minute to be renewed.
    assert ends == [None, None, INVALID_TOKEN, INVALID_TOKEN]
