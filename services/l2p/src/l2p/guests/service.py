"""The rules of guests."""

from dbcommon.models import new_id
from l2p.codes.service import CodeFinder
from l2p.guests.nicknames import make_key
from l2p.guests.schemas import GuestAdmitted
from l2p.lobbies.errors import LobbyNotFound
from l2p.seats.entrants import Entrant, Guest
from l2p.seats.seats import LobbySeats
from l2p.tokens import TokenSigner
from l2p.users.schemas import PublicUser
from webcommon.accounts.throttling.guard import ClientInfo


async def admit_guest(
    nickname: str,
    code: str,
    *,
    client: ClientInfo,
    codes: CodeFinder,
    signer: TokenSigner,
    seats: LobbySeats,
) -> GuestAdmitted:
    """Give a guest a seat in the lobby with this code, and a token for it.

    Raises `LobbyNotFound`, `TooManyCodeGuesses`, and what `LobbySeats.join` does.
    """
    lobby_id = await codes.find(code, player_id=None, client=client)
    if lobby_id is None:
        raise LobbyNotFound
    guest_id = new_id()
    joined = await seats.join(
        lobby_id, Entrant(user_id=guest_id, guest=Guest(nickname=nickname, key=make_key(nickname)))
    )
    token = signer.sign_guest(user_id=guest_id, lobby_id=lobby_id)
    return GuestAdmitted(
        access_token=token.text,
        expires_in=token.expires_in,
        user=PublicUser.model_validate(joined.guests[guest_id]),
        lobby=joined.lobby,
    )
