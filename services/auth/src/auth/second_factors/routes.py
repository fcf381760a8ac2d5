"""Routes of the current user's second factors."""

from fastapi import APIRouter, Depends, Response

from auth.errors import ReauthenticationRequired, SessionEnded
from auth.mail.dependencies import OutboxDep
from auth.second_factors import service
from auth.second_factors.dependencies import SecondFactorsDep
from auth.second_factors.errors import IncorrectCode, NoSecondFactor, SecondFactorEnabled
from auth.second_factors.schemas import (
    RecoveryCodesAnswer,
    SecondFactorStatus,
    TotpConfirmation,
    TotpSecretAnswer,
)
from auth.sessions.current_user import CurrentUserDep
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.api.problems import NotFound, problem_responses

router = APIRouter(prefix="/v1/mfa", tags=["second factors"])


async def forbid_storing(response: Response) -> None:
    """The response has secrets in it: `no-store`."""
    response.headers["Cache-Control"] = "no-store"


_NOT_STORED = [Depends(forbid_storing)]


@router.get("", operation_id="read_second_factors", responses=problem_responses(SessionEnded))
async def read_second_factors(caller: CurrentUserDep, database: DatabaseDep) -> SecondFactorStatus:
    """The caller's second factor, recovery codes and passkeys."""
    return await service.read_status(database, caller)


@router.post(
    "/totp",
    operation_id="begin_totp",
    dependencies=_NOT_STORED,
    responses=problem_responses(SessionEnded, ReauthenticationRequired, SecondFactorEnabled),
)
async def begin_totp(caller: CurrentUserDep, db: SessionDep, factors: SecondFactorsDep) -> TotpSecretAnswer:
    """A secret for an authenticator app, within ten minutes of signing in. It takes effect once a code confirms it."""
    return await service.begin_totp(db, caller, factors=factors)


@router.post(
    "/totp/confirm",
    operation_id="confirm_totp",
    dependencies=_NOT_STORED,
    responses=problem_responses(
        SessionEnded, ReauthenticationRequired, IncorrectCode, NoSecondFactor, SecondFactorEnabled
    ),
)
async def confirm_totp(
    confirmation: TotpConfirmation,
    caller: CurrentUserDep,
    db: SessionDep,
    factors: SecondFactorsDep,
    outbox: OutboxDep,
) -> RecoveryCodesAnswer:
    """Confirm the app with a code; gives the recovery codes. From now on each sign-in needs a code."""
    return await service.confirm_totp(db, caller, confirmation.code, factors=factors, outbox=outbox)


@router.delete(
    "/totp",
    operation_id="remove_totp",
    status_code=204,
    responses=problem_responses(SessionEnded, ReauthenticationRequired, NotFound),
)
async def remove_totp(caller: CurrentUserDep, db: SessionDep, outbox: OutboxDep) -> None:
    """Remove the app, within ten minutes of a sign-in with a code. Sessions go on."""
    await service.remove_totp(db, caller, outbox=outbox)


@router.post(
    "/recovery-codes",
    operation_id="renew_recovery_codes",
    dependencies=_NOT_STORED,
    responses=problem_responses(SessionEnded, ReauthenticationRequired, NoSecondFactor),
)
async def renew_recovery_codes(
    caller: CurrentUserDep, db: SessionDep, factors: SecondFactorsDep, outbox: OutboxDep
) -> RecoveryCodesAnswer:
    """Replace all recovery codes, used or not."""
    return await service.renew_recovery_codes(db, caller, factors=factors, outbox=outbox)
