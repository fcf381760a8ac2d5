"""The rules of guessing codes: wrong ones are limited by player and by network, right ones are not counted."""

import asyncio
import math
from datetime import timedelta
from uuid import UUID

from dbcommon.engine import Database
from l2p.codes import repository
from l2p.codes.codes import normalize_code
from l2p.codes.errors import TooManyCodeGuesses
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.accounts.throttling.limits import Limit
from webcommon.accounts.throttling.throttle import Attempt, TooManyAttempts

NETWORK_GUESSES = 100
_NETWORK_LIMIT = Limit(count=NETWORK_GUESSES, window=timedelta(minutes=1))


AT_ONCE = 16
"""Codes that a process looks up at once. Each reserves a guess of its network until it turns out to be right, so that a
class of two hundred would use up all of them."""

LONGEST_WAIT_SECONDS = 10.0


class CodeFinder:
    """Finds lobbies by their codes."""

    def __init__(self, database: Database, guard: Guard) -> None:
        self._database = database
        self._guard = guard
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def find(
        self, code: str, *, player_id: UUID | None, client: ClientInfo, wanted: UUID | None = None
    ) -> UUID | None:
        """The open lobby with this code, which has to be `wanted` if that is given; None, and a wrong guess, otherwise.

        Once the network has no guess left, a right code is still found by a player who made no wrong guess in the last
        minute; others, and callers without an account, are refused. Raises `TooManyCodeGuesses`.
        """
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise TooManyCodeGuesses(retry_after=1) from None
        try:
            return await self._find(code, player_id=player_id, client=client, wanted=wanted)
        finally:
            self._slots.release()

    async def _find(
        self, code: str, *, player_id: UUID | None, client: ClientInfo, wanted: UUID | None
    ) -> UUID | None:
        refusal: TooManyCodeGuesses | None = None
        attempt: Attempt | None = None
        try:
            attempt = await self._guard.start_by_network("lobby code", client=client, limit=_NETWORK_LIMIT)
        except TooManyAttempts as error:
            refusal = TooManyCodeGuesses(retry_after=int(error.headers["Retry-After"]))
            if player_id is None:
                raise refusal from None
        try:
            found = await _guess(self._database, code, player_id=player_id, wanted=wanted, refusal=refusal)
        except BaseException:
            if attempt is not None:
                await attempt.succeed()
            raise
        if attempt is not None:
            await (attempt.fail() if found is None else attempt.succeed())
        elif found is None and refusal is not None:
            raise refusal
        return found


async def _guess(
    database: Database,
    code: str,
    *,
    player_id: UUID | None,
    wanted: UUID | None,
    refusal: TooManyCodeGuesses | None,
) -> UUID | None:
    # A refusal is raised inside: the guess that it refuses is not counted.
    async with database.transaction() as db:
        if player_id is not None:
            guess = await repository.count_guess(db, player_id)
            if guess.exceeds_limit:
                raise TooManyCodeGuesses(retry_after=math.ceil(guess.seconds))
            if refusal is not None and guess.number > 1:
                raise refusal
        found = await repository.find_open_lobby(db, normalize_code(code))
        if found is None or wanted not in (None, found):
            return None
        if player_id is not None:
            await repository.uncount_guess(db, player_id)
        return found
