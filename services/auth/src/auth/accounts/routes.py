"""Routes of accounts."""

from fastapi import APIRouter, Response

from auth.accounts import service
from auth.accounts.schemas import RegistrationAnswer, UserAnswer
from auth.dependencies import HasherDep, SettingsDep
from auth.errors import EmailTaken, SessionEnded, UsernameTaken
from dbcommon.session import DatabaseDep
from webcommon.bearer import CallerDep
from webcommon.credentials import Registration
from webcommon.express import express
from webcommon.problems import Unauthorized, problem_responses

router = APIRouter(tags=["accounts"])


@router.post(
    "/v1/auth/register",
    operation_id="register_account",
    status_code=201,
    responses=problem_responses(UsernameTaken, EmailTaken),
)
async def register_account(
    registration: Registration,
    response: Response,
    database: DatabaseDep,
    hasher: HasherDep,
    settings: SettingsDep,
) -> RegistrationAnswer:
    """Make an account. A taken e-mail address is answered like a new one, unless the operator chose to reveal it."""
    user = await service.register(
        registration,
        database=database,
        hasher=hasher,
        reveal_taken_email=settings.reveal_taken_email,
    )
    response.headers["Location"] = "/v1/users/me"
    return RegistrationAnswer(user=user)


@router.get(
    "/v1/users/me",
    operation_id="read_own_account",
    responses=problem_responses(Unauthorized, SessionEnded),
)
@express
async def read_own_account(caller: CallerDep, database: DatabaseDep) -> UserAnswer:
    """The caller's own account, as it is now."""
    return await service.read_own(database, user_id=caller.id, session_id=caller.session_id)
