"""How a client comes to its state: a `welcome` with the whole of it, or the events that it missed."""

import json
from uuid import UUID

from dbcommon.engine import Database
from l2p.clock.clock import DatabaseClock
from l2p.live import frames
from l2p.live.codes import LOBBY_CLOSED, NOT_ALLOWED, TRY_LATER, Closed
from l2p.live.hub import Hub, read_events
from l2p.live.limits import REPLAYED_EVENTS, REPLAYED_SECONDS
from l2p.live.outbox import Outbox, Write
from l2p.log import repository as log_repository
from l2p.presence.presence import Presence
from l2p.state.repository import read_lobby


class Beginning:
    """Puts the state of a lobby, or what a client missed, into its outbox. The hub knows the outbox already."""

    def __init__(
        self, database: Database, clock: DatabaseClock, hub: Hub, presence: Presence, *, spectators: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._hub = hub
        self._presence = presence
        self._spectators = spectators

    async def begin(
        self,
        outbox: Outbox,
        lobby_id: UUID,
        *,
        last_seq: int | None,
        stream: UUID | None,
        write: Write,
    ) -> None:
        """Put in the beginning; `write` takes a message out of the outbox, which is smaller than what a client may miss.

        Without `stream` the client is taken to know this log. Raises `Closed`: 1013 for one spectator too many; `DatabaseError`.
        """
        state = await read_lobby(self._database, lobby_id, user_id=outbox.user_id)
        if state is None:
            raise Closed(NOT_ALLOWED)
        if state["status"] == "closed" and last_seq is None:
            raise Closed(LOBBY_CLOSED)
        outbox.is_private, outbox.is_host, outbox.has_seat = (
            state[name] for name in ("is_private", "is_host", "has_seat")
        )
        if not (outbox.is_host or outbox.has_seat) and not await self._presence.admit_spectator(
            lobby_id, outbox.user_id, most=self._spectators
        ):
            raise Closed(TRY_LATER)
        outbox.opened_at = self._presence.connected(lobby_id, outbox.user_id, opened_at=state["read_at"])
        if state["game"] is not None:
            outbox.game_id, outbox.is_playing = UUID(json.loads(state["game"])["id"]), True
        seq: int = state["seq"]
        if (
            last_seq is not None
            and stream in (None, state["stream"])
            and await self._can_replay(lobby_id, last_seq)
        ):
            outbox.put_own("welcome", {"stream": state["stream"]}, seq=last_seq)
            seq = await self._replay(outbox, lobby_id, last_seq, seq, write=write)
        else:
            kind = "welcome" if last_seq is None else "resync"
            text = frames.write_state(
                kind,
                seq=seq,
                at=self._clock.now(),
                stream=state["stream"],
                lobby=state["lobby"],
                game=state["game"],
            )
            outbox.put_text(text, seq=seq)
        self._hub.start(lobby_id, seq=seq)
        outbox.start(seq)

    async def _can_replay(self, lobby_id: UUID, last_seq: int) -> bool:
        start = await log_repository.find_start(self._database, lobby_id, last_seq=last_seq)
        if start is None:
            return False
        missed = start.event_seq - last_seq
        if missed == 0:
            return True
        return (
            0 < missed <= REPLAYED_EVENTS and start.seconds is not None and start.seconds <= REPLAYED_SECONDS
        )

    async def _replay(self, outbox: Outbox, lobby_id: UUID, after: int, head: int, *, write: Write) -> int:
        while after < head:
            events = await read_events(self._database, lobby_id, after=after, receivers=[outbox])
            if not events:
                break
            for event in events:
                outbox.replay(event)
                if outbox.is_half_full:
                    await outbox.write_all(write)
            after = events[-1].seq
        return after
