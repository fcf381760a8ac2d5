"""The statements on ratings."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Float, Integer, Row, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from l2p.ratings.calculation import Rating

# A rating that plain SQL wrote counts from then on: `mu` follows it where the two do not agree.
_RATED = """
    SELECT part.id AS participant_id, player.id AS user_id, part.score, player.rating,
        CASE WHEN player.rating_mu IS NOT NULL AND player.rating = greatest(0, round(60 * player.rating_mu))
            THEN player.rating_mu ELSE player.rating / 60.0::float8 END AS mu,
        coalesce(player.rating_sigma, 25.0::float8 / 3) AS sigma
    FROM game_participants AS part JOIN users AS player ON player.id = part.user_id
    WHERE part.game_id = :game_id AND NOT player.is_guest
        AND EXISTS (SELECT FROM answers WHERE answers.participant_id = part.id)
    ORDER BY player.id
"""
_FIND = text(_RATED).bindparams(bindparam("game_id", type_=Uuid()))
# The foreign keys of other rows may still refer to the players.
_LOCK = text(f"{_RATED} FOR NO KEY UPDATE OF player").bindparams(bindparam("game_id", type_=Uuid()))

_NUMBERS = ("mu_before", "sigma_before", "mu", "sigma")
_RATINGS = ("rating_before", "rating")
_STORE = text(
    """
    WITH given AS (
        SELECT * FROM unnest(:participant_ids, :user_ids, :mu_before, :sigma_before, :rating_before, :mu, :sigma, :rating)
            AS given (participant_id, user_id, mu_before, sigma_before, rating_before, mu, sigma, rating)
    ), noted AS (
        INSERT INTO rating_changes (participant_id, mu_before, sigma_before, rating_before, mu, sigma, rating)
        SELECT participant_id, mu_before, sigma_before, rating_before, mu, sigma, rating FROM given
    )
    UPDATE users SET rating_mu = given.mu, rating_sigma = given.sigma, rating = given.rating
    FROM given WHERE users.id = given.user_id
    """
).bindparams(
    bindparam("participant_ids", type_=ARRAY(Uuid())),
    bindparam("user_ids", type_=ARRAY(Uuid())),
    *(bindparam(name, type_=ARRAY(Float(53))) for name in _NUMBERS),
    *(bindparam(name, type_=ARRAY(Integer())) for name in _RATINGS),
)

RatedPlayer = Row[Any]
"""`participant_id`, `user_id`, `score`, `rating`, `mu` and `sigma`."""


async def find_rated(database: Database, game_id: UUID) -> Sequence[RatedPlayer]:
    """The players of a game who are rated: accounts that answered at least one question."""
    return await database.fetch_all(_FIND, {"game_id": game_id})


async def lock_rated(db: AsyncSession, game_id: UUID) -> Sequence[RatedPlayer]:
    """The same, with their rows locked in the order of their ids until the commit."""
    return (await db.execute(_LOCK, {"game_id": game_id})).all()


async def store_changes(db: AsyncSession, players: Sequence[RatedPlayer], ratings: Sequence[Rating]) -> None:
    """Write the new ratings of locked players, and what changed."""
    parameters = {
        "participant_ids": [player.participant_id for player in players],
        "user_ids": [player.user_id for player in players],
        "mu_before": [player.mu for player in players],
        "sigma_before": [player.sigma for player in players],
        "rating_before": [player.rating for player in players],
        "mu": [rating.mu for rating in ratings],
        "sigma": [rating.sigma for rating in ratings],
        "rating": [rating.shown for rating in ratings],
    }
    await db.execute(_STORE, parameters)
