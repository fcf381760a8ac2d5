"""The statements on the running game of a lobby."""

from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
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

_PARTICIPANT = text(
    """
    SELECT EXISTS (
        SELECT FROM games JOIN game_participants AS part ON part.game_id = games.id
        WHERE games.lobby_id = :lobby_id AND games.status NOT IN ('finished', 'aborted')
            AND part.user_id = :player_id
    )
    """
).bindparams(bindparam("lobby_id", type_=Uuid()), bindparam("player_id", type_=Uuid()))

_LATE_PARTICIPANT = text(
    """
    INSERT INTO game_participants (game_id, user_id, first_question)
    SELECT id, :player_id, CASE
        WHEN current_question IS NULL THEN 0
        WHEN coalesce(paused_status, status) = 'question' THEN current_question
        ELSE current_question + 1
    END
    FROM games WHERE lobby_id = :lobby_id AND status NOT IN ('finished', 'aborted') FOR SHARE
    ON CONFLICT (game_id, user_id) DO NOTHING
    """
).bindparams(bindparam("lobby_id", type_=Uuid()), bindparam("player_id", type_=Uuid()))


async def is_participant(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> bool:
    """Whether the player takes part in the running game of a lobby."""
    return bool((await db.execute(_PARTICIPANT, {"lobby_id": lobby_id, "player_id": player_id})).scalar_one())


async def insert_late_participant(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> None:
    """Let a player take part in the running game from the open question on, or from the next one."""
    await db.execute(_LATE_PARTICIPANT, {"lobby_id": lobby_id, "player_id": player_id})


async def abort_game(db: AsyncSession, lobby_id: UUID) -> UUID | None:
    """End the running game of a locked lobby without ranks; gives its id, None when no game runs."""
    return (await db.execute(_ABORT, {"lobby_id": lobby_id})).scalar_one_or_none()


async def reopen_lobby(db: AsyncSession, lobby_id: UUID) -> None:
    """After a game: the lobby waits for the next one, and nobody is ready."""
    await db.execute(_REOPEN, {"lobby_id": lobby_id})
