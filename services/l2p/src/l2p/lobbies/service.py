"""The rules of lobbies: visibility, seats, hosts and closing."""

import math
from collections.abc import Callable
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from l2p.lobbies import repository
from l2p.lobbies.codes import generate_code, normalize_code
from l2p.lobbies.errors import (
    ChatOff,
    GameUnderWay,
    LobbyClosed,
    LobbyFull,
    LobbyLocked,
    LobbyNotFound,
    NoFreeCode,
    NoSeat,
    NotTheHost,
    QuestionSetUnknown,
    TooManyCodeGuesses,
)
from l2p.lobbies.repository import LobbyFilter, LobbyPosition, NewLobby, Seats
from l2p.lobbies.schemas import Lobby, LobbyRequest, LobbySettings
from l2p.log.events import NewEvent
from l2p.log.log import LobbyLog
from l2p.models import Lobby as LockedLobby
from l2p.models import LobbyStatus
from l2p.question_sets.repository import can_use
from webcommon.api.paging import CursorCodec

CODE_ATTEMPTS = 20
"""How many random codes are tried for a lobby. With half of all codes in use, all are taken once in a million."""


async def create_lobby(
    db: AsyncSession,
    request: LobbyRequest,
    *,
    player_id: UUID,
    log: LobbyLog,
    generate: Callable[[], str] = generate_code,
) -> Lobby:
    """A new lobby with its creator as the host, who has a seat if the host plays. Raises `QuestionSetUnknown`, `NoFreeCode`."""
    set_id = request.settings.question_set_id
    if set_id is not None and not await can_use(db, set_id, player_id=player_id):
        raise QuestionSetUnknown(pointer="#/settings/question_set_id")
    lobby = NewLobby(
        id=new_id(),
        host_id=player_id,
        name=request.name,
        max_players=request.max_players,
        settings=request.settings.model_dump(mode="json"),
    )
    for _ in range(CODE_ATTEMPTS):
        if await repository.insert_lobby(db, lobby, code=generate()):
            break
    else:
        raise NoFreeCode
    if request.settings.host_plays:
        await _seat(db, lobby.id, player_id=player_id, log=log)
    return await _read_any_lobby(db, lobby.id)


async def _seat(db: AsyncSession, lobby_id: UUID, *, player_id: UUID, log: LobbyLog) -> None:
    username = await repository.insert_seat(db, lobby_id, player_id=player_id)
    data = {"user_id": player_id, "username": username}
    await log.append(db, lobby_id, NewEvent(type="player.joined", data=data))


async def list_lobbies(
    database: Database,
    *,
    status: LobbyStatus,
    search: str | None,
    cursors: CursorCodec,
    cursor: str | None,
    limit: int,
) -> Response:
    """A `Page[LobbySummary]` of public lobbies of one status, newest first. A blank `search` is ignored."""
    wanted = LobbyFilter(status=status, search=(search or "").strip() or None)
    position = cursors.decode(wanted.scope, cursor)
    after = None if position is None else LobbyPosition(created_at=position[0], id=position[1])
    page = await repository.find_page(database, wanted, after=after, limit=limit)
    return cursors.json_page(page, scope=wanted.scope)


async def read_lobby(database: Database, lobby_id: UUID, *, player_id: UUID) -> Lobby:
    """A lobby that is public or that the player is in. Raises `LobbyNotFound`."""
    row = await repository.find_visible_lobby(database, lobby_id, player_id=player_id)
    if row is None:
        raise LobbyNotFound
    return Lobby.model_validate(row)


async def read_lobby_by_code(database: Database, code: str, *, player_id: UUID) -> Lobby:
    """The open lobby with this code, private or not. Raises `LobbyNotFound`, `TooManyCodeGuesses`."""
    lobby: Lobby | None = None
    async with database.transaction() as db:
        lobby_id = await _try_code(db, code, player_id=player_id)
        if lobby_id is not None:
            lobby = await _read_any_lobby(db, lobby_id)
    # Raised after the commit, so that the wrong guess stays counted.
    if lobby is None:
        raise LobbyNotFound
    return lobby


async def check_code(database: Database, lobby_id: UUID, *, player_id: UUID, code: str | None) -> None:
    """Check the join code. Members, and anyone joining a public lobby, need none.

    Raises `LobbyNotFound`, for a private lobby without its code as for one that does not exist, and `TooManyCodeGuesses`.
    """
    can_join = await repository.can_join_without_code(database, lobby_id, player_id=player_id)
    if can_join:
        return
    if code is None:
        raise LobbyNotFound
    async with database.transaction() as db:
        found = await _try_code(db, code, player_id=player_id, lobby_id=lobby_id)
    if found is None:
        raise LobbyNotFound


async def _try_code(
    db: AsyncSession, code: str, *, player_id: UUID, lobby_id: UUID | None = None
) -> UUID | None:
    """The id of the open lobby with this code, which has to be `lobby_id` if that is given. Otherwise None, and the guess
    counts as wrong. Raises `TooManyCodeGuesses`."""
    guess = await repository.count_guess(db, player_id)
    if guess.exceeds_limit:
        raise TooManyCodeGuesses(retry_after=math.ceil(guess.seconds))
    found = await repository.find_open_lobby(db, normalize_code(code))
    if found is None or lobby_id not in (None, found):
        return None
    await repository.uncount_guess(db, player_id)
    return found


async def join_lobby(db: AsyncSession, lobby_id: UUID, *, player_id: UUID, log: LobbyLog) -> Lobby:
    """Give the player a seat, unless they have one. While a game runs they take part in it from the open question on.

    Raises `LobbyNotFound`, `LobbyClosed`, `LobbyLocked`, `GameUnderWay`, `LobbyFull`.
    """
    lobby = await repository.lock_lobby(db, lobby_id)
    if lobby is None:
        raise LobbyNotFound
    seats = await repository.find_seats(db, lobby_id, player_id=player_id)
    if not seats.has_player:
        await _check_entry(db, lobby, seats, player_id=player_id)
        await _seat(db, lobby_id, player_id=player_id, log=log)
        if lobby.status == "in_game":
            await repository.insert_late_participant(db, lobby_id, player_id=player_id)
        if lobby.host_id is None:
            # The host's account was deleted.
            await set_host(db, lobby_id, host_id=player_id, log=log)
    return await _read_any_lobby(db, lobby_id)


async def _check_entry(db: AsyncSession, lobby: LockedLobby, seats: Seats, *, player_id: UUID) -> None:
    settings = LobbySettings.model_validate(lobby.settings)
    if lobby.status == "closed":
        raise LobbyClosed
    if settings.locked:
        raise LobbyLocked
    if (
        lobby.status == "in_game"
        and not settings.allow_late_join
        and not await repository.is_participant(db, lobby.id, player_id=player_id)
    ):
        raise GameUnderWay("This lobby does not allow late joining. Try again when the game is over.")
    if seats.taken >= lobby.max_players:
        raise LobbyFull(lobby.max_players)


async def lock_as_host(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> LockedLobby:
    """The open lobby, locked for a change by its host. Raises `LobbyNotFound`, `LobbyClosed`, `NotTheHost`."""
    lobby = await repository.lock_lobby(db, lobby_id)
    if lobby is None:
        raise LobbyNotFound
    if lobby.host_id == player_id:
        return lobby
    if LobbySettings.model_validate(lobby.settings).is_private:
        seats = await repository.find_seats(db, lobby_id, player_id=player_id)
        if not seats.has_player:
            raise LobbyNotFound
    raise LobbyClosed if lobby.status == "closed" else NotTheHost


async def leave_lobby(db: AsyncSession, lobby_id: UUID, *, player_id: UUID, log: LobbyLog) -> None:
    """Free the player's seat. A host hands over to the longest-present player; the last one out closes the lobby.

    Without a seat in a public lobby it does nothing. Raises `LobbyNotFound`.
    """
    lobby = await repository.lock_lobby(db, lobby_id)
    if lobby is None:
        raise LobbyNotFound
    if await repository.delete_seat(db, lobby_id, player_id=player_id):
        left = {"user_id": player_id, "reason": "left"}
        await log.append(db, lobby_id, NewEvent(type="player.left", data=left))
    elif lobby.host_id != player_id:
        if LobbySettings.model_validate(lobby.settings).is_private:
            raise LobbyNotFound
        return
    if lobby.host_id not in (None, player_id):
        return
    successor = await repository.find_longest_present(db, lobby_id)
    if successor is None:
        await close_lobby(db, lobby_id, reason="empty", log=log)
    else:
        await set_host(db, lobby_id, host_id=successor, log=log)


async def abort_game(db: AsyncSession, lobby_id: UUID, *, reason: str, log: LobbyLog) -> None:
    """End the running game of a locked lobby, if there is one. It rates nobody, and the lobby is open again."""
    game_id = await repository.abort_game(db, lobby_id)
    if game_id is not None:
        await repository.reopen_lobby(db, lobby_id)
        data = {"game_id": game_id, "reason": reason}
        await log.append(db, lobby_id, NewEvent(type="game.aborted", data=data))


async def close_lobby(db: AsyncSession, lobby_id: UUID, *, reason: str, log: LobbyLog) -> None:
    """Close a locked lobby, and abort its game."""
    await abort_game(db, lobby_id, reason="lobby_closed", log=log)
    await repository.close_lobby(db, lobby_id)
    await log.append(db, lobby_id, NewEvent(type="lobby.closed", data={"reason": reason}))


async def set_host(db: AsyncSession, lobby_id: UUID, *, host_id: UUID, log: LobbyLog) -> None:
    """Make a player the host of a locked lobby."""
    await repository.set_host(db, lobby_id, host_id=host_id)
    await log.append(db, lobby_id, NewEvent(type="host.changed", data={"host_id": host_id}))


async def set_ready(
    db: AsyncSession, lobby_id: UUID, *, player_id: UUID, is_ready: bool, log: LobbyLog
) -> None:
    """Set whether the player is ready. Raises `NoSeat`."""
    changed = await repository.set_ready(db, lobby_id, player_id=player_id, is_ready=is_ready)
    if changed is None:
        raise NoSeat
    if changed:
        data = {"user_id": player_id, "is_ready": is_ready}
        await log.append(db, lobby_id, NewEvent(type="player.ready", data=data))


async def chat(db: AsyncSession, lobby_id: UUID, message: str, *, player_id: UUID, log: LobbyLog) -> None:
    """Write a message to everybody in the lobby. Raises `LobbyClosed`, `NoSeat`, `ChatOff`."""
    lobby = await repository.lock_lobby(db, lobby_id)
    if lobby is None or lobby.status == "closed":
        raise LobbyClosed
    seats = await repository.find_seats(db, lobby_id, player_id=player_id)
    if not seats.has_player and lobby.host_id != player_id:
        raise NoSeat
    if not LobbySettings.model_validate(lobby.settings).allow_chat:
        raise ChatOff
    username = await repository.find_username(db, player_id)
    data = {"user_id": player_id, "username": username, "text": message}
    await log.append(db, lobby_id, NewEvent(type="chat.message", data=data))


async def _read_any_lobby(db: AsyncSession, lobby_id: UUID) -> Lobby:
    row = await repository.find_lobby(db, lobby_id)
    if row is None:
        raise LobbyNotFound
    return Lobby.model_validate(row)
