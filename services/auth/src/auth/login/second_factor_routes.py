"""The route to finish a sign-in with the code of a second factor."""

from fastapi import APIRouter, Response

from auth.keys.errors import KeysNotReady
from auth.mail.dependencies import OutboxDep
from auth.second_factors.challenges import finish_login
from auth.second_factors.dependencies import SecondFactorsDep
from auth.second_factors.errors import LoginExpired, SecondFactorFailed
from auth.second_factors.schemas import SecondFactorLogin
from auth.sessions.beginning import answer_login
from auth.sessions.dependencies import TokensDep
from auth.sessions.device import DeviceDep
from auth.sessions.errors import OriginRefused
from auth.sessions.schemas import CookieLogin, LoginAnswer
from auth.sessions.transport import LoginTransportDep, write_tokens
from dbcommon.session import DatabaseDep
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import ServiceUnavailable, problem_responses

router = APIRouter(prefix="/v1/auth", tags=["sessions"])


@router.post(
    "/login/mfa",
    operation_id="finish_sign_in",
    response_model=LoginAnswer | CookieLogin,
    responses=problem_responses(
        SecondFactorFailed, LoginExpired, OriginRefused, TooManyAttempts, ServiceUnavailable, KeysNotReady
    ),
)
async def finish_sign_in(
    body: SecondFactorLogin,
    transport: LoginTransportDep,
    database: DatabaseDep,
    factors: SecondFactorsDep,
    tokens: TokensDep,
    outbox: OutboxDep,
    guard: GuardDep,
    client: ClientInfoDep,
    device: DeviceDep,
) -> Response:
    """Finish a sign-in with a code of the app or a recovery code. After a wrong code the same token can be tried again."""
    await tokens.access.ensure_ready()
    begun = await finish_login(
        body.mfa_token,
        body.code,
        database=database,
        guard=guard,
        client=client,
        factors=factors,
        outbox=outbox,
        codec=tokens.refresh,
        device=device,
    )
    response = write_tokens(await answer_login(begun, tokens=tokens), transport=transport)
    guard.remember_device(response, device_binding=begun.device_binding, client=client)
    return response
