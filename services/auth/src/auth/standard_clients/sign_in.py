"""What the sign-in page's form does: prove who it is, and begin the client's session."""

from dataclasses import dataclass, field
from uuid import UUID

from auth.errors import LoginFailed
from auth.sessions.beginning import Tokens
from auth.sessions.device import Device
from auth.sessions.password_login import PasswordCheck, ProvenPassword, prove_login
from auth.standard_clients.authorization_requests import AuthorizationRequest
from auth.standard_clients.codes import give_code
from webcommon.credentials import Login
from webcommon.throttling.guard import Origin

_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """The code for the client, and whose session it stands for."""

    user_id: UUID
    code: str = field(repr=False)


async def sign_in(
    credentials: Login,
    *,
    request: AuthorizationRequest,
    check: PasswordCheck,
    tokens: Tokens,
    origin: Origin,
    device: Device,
) -> SignedIn:
    """Begin a session of the request's client with a password. Raises what `prove_login` raises."""
    for _ in range(_TRIES):
        proven = await prove_login(credentials, check=check, origin=origin)
        code = await _begin(proven, request=request, check=check, tokens=tokens, device=device)
        if code is not None:
            return SignedIn(user_id=proven.user_id, code=code)
        # The account changed while the hash was computed: ask it again.
    raise LoginFailed


async def _begin(
    proven: ProvenPassword,
    *,
    request: AuthorizationRequest,
    check: PasswordCheck,
    tokens: Tokens,
    device: Device,
) -> str | None:
    async with check.database.transaction() as session:
        return await give_code(
            session,
            proven.user_id,
            request=request,
            codec=tokens.refresh,
            device=device,
            password_hash=proven.password_hash,
        )
