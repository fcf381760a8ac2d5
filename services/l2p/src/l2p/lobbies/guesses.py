"""How often a player may try lobby codes. A right one does not count."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.models import CodeGuesses

GUESSES = 20
WINDOW = timedelta(minutes=1)
"""In any stretch of this length there are at most `GUESSES` wrong codes."""

_COUNT = text(
    """
    INSERT INTO code_guesses AS known (user_id, guessed_at) VALUES (:player_id, ARRAY[clock_timestamp()])
    ON CONFLICT (user_id) DO UPDATE SET guessed_at = ARRAY(
        SELECT moment FROM unnest(known.guessed_at) AS moment
        WHERE moment > clock_timestamp() - :span ORDER BY moment
    ) || clock_timestamp()
    RETURNING cardinality(guessed_at) AS number,
        extract(epoch FROM guessed_at[1] + :span - clock_timestamp())::float8 AS seconds
    """
).bindparams(bindparam("player_id", type_=CodeGuesses.user_id.type), bindparam("span", WINDOW))

_FORGIVE = text(
    "UPDATE code_guesses SET guessed_at = trim_array(guessed_at, 1) WHERE user_id = :player_id"
).bindparams(bindparam("player_id", type_=CodeGuesses.user_id.type))


@dataclass(frozen=True, kw_only=True)
class Guess:
    """The how-manieth guess of the last minute this is, and in how many seconds the oldest of them no longer counts."""

    number: int
    seconds: float

    @property
    def is_one_too_many(self) -> bool:
        """Whether the player has to wait. The transaction is to be rolled back then: refused guesses do not count."""
        return self.number > GUESSES


async def count_guess(session: AsyncSession, player_id: UUID) -> Guess:
    """Count a guess before it is looked at. Until the transaction ends, the player's other guesses wait."""
    row = (await session.execute(_COUNT, {"player_id": player_id})).one()
    return Guess(number=row.number, seconds=row.seconds)


async def forgive_guess(session: AsyncSession, player_id: UUID) -> None:
    """Take back the guess that this transaction counted: it was right."""
    await session.execute(_FORGIVE, {"player_id": player_id})
