"""The rules of lobbies: visibility, seats, hosts and closing."""

from collections.abc import Callable
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from l2p.codes.codes import generate_code
from l2p.codes.service import CodeFinder
from l2p.lobbies import repository
from l2p.lobbies.errors import (
    ChatOff,
    LobbyClosed,
    LobbyNotFound,
    NoFreeCode,
    NoSeat,
    NotTheHost,
    QuestionSetUnknown,
)
from l2p.lobbies.repository import LobbyFilter, LobbyPosition, NewLobby, PlayerPosition
from l2p.lobbies.schemas import Lobby, LobbyRequest, LobbySettings
from l2p.log.events import NewEvent
from l2p.log.log import LobbyLog
from l2p.models import Lobby as LockedLobby
from l2p.models import LobbyStatus
from l2p.question_sets.repository import can_use
from l2p.running_games import repository as running_games
from webcommon.accounts.throttling.guard import ClientInfo
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
    await check_question_set(db, request.settings, player_id=player_id)
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
        await seat(db, lobby.id, player_id=player_id, log=log)
    return await read_any_lobby(db, lobby.id)


async def check_question_set(db: AsyncSession, settings: LobbySettings, *, player_id: UUID) -> None:
    """Check that the player may use the set that is named. Raises `QuestionSetUnknown`."""
    set_id = settings.question_set_id
    if set_id is not None and not await can_use(db, set_id, player_id=player_id):
        raise QuestionSetUnknown(pointer="#/settings/question_set_id")


async def seat(db: AsyncSession, lobby_id: UUID, *, player_id: UUID, log: LobbyLog) -> None:
    """Give a player a seat in a locked lobby."""
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


async def list_players(
    database: Database,
    lobby_id: UUID,
    *,
    player_id: UUID,
    cursors: CursorCodec,
    cursor: str | None,
    limit: int,
) -> Response:
    """A `Page[LobbyPlayer]` of a lobby that the player may see, the longest-present first. Raises `LobbyNotFound`."""
    if not await repository.can_join_without_code(database, lobby_id, player_id=player_id):
        raise LobbyNotFound
    scope = f"players lobby={lobby_id}"
    position = cursors.decode(scope, cursor)
    after = None if position is None else PlayerPosition(joined_at=position[0], id=position[1])
    page = await repository.find_players(database, lobby_id, after=after, limit=limit)
    return cursors.json_page(page, scope=scope)


async def read_lobby_by_code(
    database: Database, code: str, *, player_id: UUID, client: ClientInfo, codes: CodeFinder
) -> Lobby:
    """The open lobby with this code, private or not. Raises `LobbyNotFound`, `TooManyCodeGuesses`."""
    lobby_id = await codes.find(code, player_id=player_id, client=client)
    if lobby_id is None:
        raise LobbyNotFound
    async with database.transaction() as db:
        return await read_any_lobby(db, lobby_id)


async def check_code(
    database: Database,
    lobby_id: UUID,
    *,
    player_id: UUID,
    code: str | None,
    client: ClientInfo,
    codes: CodeFinder,
) -> None:
    """Check the join code. Members, and anyone joining a public lobby, need none.

    Raises `LobbyNotFound`, for a private lobby without its code as for one that does not exist, and `TooManyCodeGuesses`.
    """
    can_join = await repository.can_join_without_code(database, lobby_id, player_id=player_id)
    if can_join:
        return
    if code is None:
        raise LobbyNotFound
    found = await codes.find(code, player_id=player_id, client=client, wanted=lobby_id)
    if found is None:
        raise LobbyNotFound


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
    had_seat = await free_seat(db, lobby_id, player_id=player_id, log=log)
    if not had_seat and lobby.host_id != player_id:
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


async def free_seat(db: AsyncSession, lobby_id: UUID, *, player_id: UUID, log: LobbyLog) -> bool:
    """Free a player's seat in a locked lobby. False when there was none."""
    had_seat = await repository.delete_seat(db, lobby_id, player_id=player_id)
    if had_seat:
        data = {"user_id": player_id, "reason": "left"}
        await log.append(db, lobby_id, NewEvent(type="player.left", data=data))
    return had_seat


async def abort_game(db: AsyncSession, lobby_id: UUID, *, reason: str, log: LobbyLog) -> None:
    """End the running game of a locked lobby, if there is one. It rates nobody, and the lobby is open again."""
    game_id = await running_games.abort_game(db, lobby_id)
    if game_id is not None:
        await running_games.reopen_lobby(db, lobby_id)
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


async def read_any_lobby(db: AsyncSession, lobby_id: UUID) -> Lobby:
    """A lobby, private or not. Raises `LobbyNotFound`."""
    row = await repository.find_lobby(db, lobby_id)
    if row is None:
        raise LobbyNotFound
    return Lobby.model_validate(row)
