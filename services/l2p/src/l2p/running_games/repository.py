"""The statements on the running game of a lobby."""

from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

_ABORT = text(
    """
    UPDATE games SET status = 'aborted', ended_at = clock_timestamp(), phase_ends_at = NULL, lease_holder = NULL,
        lease_until = NULL, paused_status = NULL, paused_at = NULL, pause_reason = NULL
    WHERE lobby_id = :lobby_id AND status NOT IN ('finished', 'aborted') RETURNING id
    """
).bindparams(bindparam("lobby_id", type_=Uuid()))

_REOPEN = text(
    """
    WITH reset AS (UPDATE lobby_players SET is_ready = false WHERE lobby_id = :lobby_id AND is_ready)
    UPDATE lobbies SET status = 'waiting' WHERE id = :lobby_id AND status = 'in_game'
    """
).bindparams(bindparam("lobby_id", type_=Uuid()))

_LATE_PARTICIPANTS = text(
    """
    INSERT INTO game_participants (game_id, user_id, first_question)
    SELECT games.id, player.id, CASE
        WHEN current_question IS NULL THEN 0
        WHEN coalesce(paused_status, status) = 'question' THEN current_question
        ELSE current_question + 1
    END
    FROM games, unnest(:player_ids) AS player (id)
    WHERE lobby_id = :lobby_id AND status NOT IN ('finished', 'aborted') FOR SHARE OF games
    ON CONFLICT (game_id, user_id) DO NOTHING
    """
).bindparams(bindparam("lobby_id", type_=Uuid()), bindparam("player_ids", type_=ARRAY(Uuid())))


async def insert_late_participants(db: AsyncSession, lobby_id: UUID, *, player_ids: list[UUID]) -> None:
    """Let players take part in the running game from the open question on, or from the next one."""
    await db.execute(_LATE_PARTICIPANTS, {"lobby_id": lobby_id, "player_ids": player_ids})


async def abort_game(db: AsyncSession, lobby_id: UUID) -> UUID | None:
    """End the running game of a locked lobby without ranks; gives its id, None when no game runs."""
    return (await db.execute(_ABORT, {"lobby_id": lobby_id})).scalar_one_or_none()


async def reopen_lobby(db: AsyncSession, lobby_id: UUID) -> None:
    """After a game: the lobby waits for the next one, and nobody is ready."""
    await db.execute(_REOPEN, {"lobby_id": lobby_id})
