"""The statements on lobbies' codes, and on guesses at them."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.models import CodeGuesses, Lobby

GUESSES = 20
GUESS_WINDOW = timedelta(minutes=1)
"""A player has at most `GUESSES` wrong codes in any interval of this length."""

_COUNT = text(
    """
    INSERT INTO code_guesses AS counted (user_id, guessed_at) VALUES (:player_id, ARRAY[clock_timestamp()])
    ON CONFLICT (user_id) DO UPDATE SET guessed_at = ARRAY(
        SELECT guess FROM unnest(counted.guessed_at) AS guess
        WHERE guess > clock_timestamp() - :span ORDER BY guess
    ) || clock_timestamp()
    RETURNING cardinality(guessed_at) AS number,
        extract(epoch FROM guessed_at[1] + :span - clock_timestamp())::float8 AS seconds
    """
).bindparams(bindparam("player_id", type_=CodeGuesses.user_id.type), bindparam("span", GUESS_WINDOW))

_UNCOUNT = text(
    "UPDATE code_guesses SET guessed_at = trim_array(guessed_at, 1) WHERE user_id = :player_id"
).bindparams(bindparam("player_id", type_=CodeGuesses.user_id.type))


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A guess at a code that was counted.

    `number`: the player's guesses in the last minute, this one included. `seconds`: until the oldest of them expires.
    """

    number: int
    seconds: float

    @property
    def exceeds_limit(self) -> bool:
        """Whether the player has to wait. The caller raises then, so that the transaction, and the count, is rolled back."""
        return self.number > GUESSES


async def count_guess(db: AsyncSession, player_id: UUID) -> Guess:
    """Count a guess before its code is compared. The player's other guesses wait until the transaction ends."""
    row = (await db.execute(_COUNT, {"player_id": player_id})).one()
    return Guess(number=row.number, seconds=row.seconds)


async def uncount_guess(db: AsyncSession, player_id: UUID) -> None:
    """Remove the guess that this transaction counted: its code was right."""
    await db.execute(_UNCOUNT, {"player_id": player_id})


async def find_open_lobby(db: AsyncSession, code: str) -> UUID | None:
    """The open lobby with this code."""
    # A literal, so that the planner can use the partial index on the codes of open lobbies.
    statement = select(Lobby.id).where(Lobby.code == code, Lobby.status != text("'closed'"))
    return (await db.execute(statement)).scalar_one_or_none()
