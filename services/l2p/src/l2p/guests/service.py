"""The rules of guests."""

from dbcommon.engine import Database
from dbcommon.models import new_id
from l2p.codes.service import CodeFinder
from l2p.guests import repository
from l2p.guests.errors import NicknameTaken
from l2p.guests.nicknames import make_key
from l2p.guests.schemas import GuestAdmitted
from l2p.lobbies.errors import LobbyNotFound
from l2p.lobbies.repository import lock_lobby
from l2p.lobbies.service import join_lobby
from l2p.log.log import LobbyLog
from l2p.tokens import TokenSigner
from l2p.turns import LobbyTurns
from l2p.users.schemas import PublicUser
from webcommon.accounts.throttling.guard import ClientInfo


async def admit_guest(
    database: Database,
    code: str,
    nickname: str,
    *,
    client: ClientInfo,
    codes: CodeFinder,
    signer: TokenSigner,
    log: LobbyLog,
    turns: LobbyTurns,
) -> GuestAdmitted:
    """Give a guest a seat in the lobby with this code, as `join_lobby` does, and a token for it.

    Raises `LobbyNotFound`, `TooManyCodeGuesses`, `LobbyBusy`, `NicknameTaken`, and what `join_lobby` does.
    """
    lobby_id = await codes.find(code, player_id=None, client=client)
    if lobby_id is None:
        raise LobbyNotFound
    key = make_key(nickname)
    async with turns.turn(lobby_id), database.transaction() as db:
        await lock_lobby(db, lobby_id)
        if await repository.has_player_named(db, lobby_id, key):
            raise NicknameTaken
        row = await repository.insert_guest(db, new_id(), lobby_id=lobby_id, nickname=nickname, key=key)
        if row is None:
            raise NicknameTaken
        lobby = await join_lobby(db, lobby_id, player_id=row.id, log=log)
    token = signer.sign_guest(user_id=row.id, lobby_id=lobby_id)
    return GuestAdmitted(
        access_token=token.text,
        expires_in=token.expires_in,
        user=PublicUser.model_validate(row),
        lobby=lobby,
    )
