"""The route to sign in with a password."""

from fastapi import APIRouter, Response

from auth.errors import EmailNotVerified, LoginFailed
from auth.keys.errors import KeysNotReady
from auth.login import password
from auth.login.dependencies import PasswordCheckDep
from auth.login.schemas import LoginOrSecondFactor
from auth.second_factors.schemas import SecondFactorAsked
from auth.sessions.beginning import answer_login
from auth.sessions.dependencies import TokensDep
from auth.sessions.device import DeviceDep
from auth.sessions.errors import OriginRefused
from auth.sessions.transport import (
    LoginTransportDep,
    write_tokens,
)
from webcommon.accounts.credentials import Login
from webcommon.accounts.throttling.dependencies import ClientInfoDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import ServiceUnavailable, problem_responses

router = APIRouter(prefix="/v1/auth", tags=["sessions"])


@router.post(
    "/login",
    operation_id="sign_in",
    response_model=LoginOrSecondFactor,
    responses=problem_responses(
        LoginFailed, EmailNotVerified, OriginRefused, TooManyAttempts, ServiceUnavailable, KeysNotReady
    ),
)
async def sign_in(
    credentials: Login,
    transport: LoginTransportDep,
    check: PasswordCheckDep,
    tokens: TokensDep,
    client: ClientInfoDep,
    device: DeviceDep,
) -> Response:
    """Begin a session with an e-mail address or a username, and a password. If the account has a second factor, the
    session begins at /v1/auth/login/mfa."""
    begun = await password.sign_in(credentials, check=check, tokens=tokens, client=client, device=device)
    if isinstance(begun, SecondFactorAsked):
        return write_tokens(begun)
    response = write_tokens(await answer_login(begun, tokens=tokens), transport=transport)
    check.guard.remember_device(response, device_binding=begun.device_binding, client=client)
    return response
