"""Routes of passkeys."""

from uuid import UUID

from fastapi import APIRouter, Response

from auth.errors import EmailNotVerified, LastSignInMethod, ReauthenticationRequired, SessionEnded
from auth.keys.errors import KeysNotReady
from auth.mail.dependencies import OutboxDep
from auth.passkeys import service
from auth.passkeys.dependencies import PasskeysDep
from auth.passkeys.errors import PasskeyKnown, PasskeyRefused, TooManyPasskeys
from auth.passkeys.schemas import (
    PasskeyAnswer,
    PasskeyList,
    PasskeyLogin,
    PasskeyOptions,
    PasskeyPatch,
    PasskeyRegistration,
)
from auth.sessions.beginning import answer_login
from auth.sessions.current_user import CurrentUserDep
from auth.sessions.dependencies import TokensDep
from auth.sessions.device import DeviceDep
from auth.sessions.errors import OriginRefused
from auth.sessions.schemas import CookieLogin, LoginAnswer
from auth.sessions.transport import LoginTransportDep, write_tokens
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import NotFound, ServiceUnavailable, problem_responses
from webcommon.app.fast_path import fast_path

router = APIRouter(prefix="/v1/passkeys", tags=["passkeys"])


@router.post(
    "/register/options",
    operation_id="begin_passkey_registration",
    responses=problem_responses(SessionEnded, ReauthenticationRequired),
)
async def begin_passkey_registration(
    caller: CurrentUserDep, database: DatabaseDep, passkeys: PasskeysDep, response: Response
) -> PasskeyOptions:
    """Options for `navigator.credentials.create()`, valid for five minutes; within ten minutes of signing in."""
    response.headers["Cache-Control"] = "no-store"
    return await service.begin_registration(database, caller, passkeys=passkeys)


@router.post(
    "/register",
    operation_id="add_passkey",
    status_code=201,
    responses=problem_responses(SessionEnded, ReauthenticationRequired, PasskeyKnown, TooManyPasskeys),
)
async def add_passkey(
    registration: PasskeyRegistration,
    caller: CurrentUserDep,
    db: SessionDep,
    passkeys: PasskeysDep,
    outbox: OutboxDep,
) -> PasskeyAnswer:
    """Register a passkey for the caller's account."""
    return await service.add_passkey(
        db,
        caller,
        registration.credential,
        name=registration.name,
        passkeys=passkeys,
        outbox=outbox,
    )


@router.post("/login/options", operation_id="begin_passkey_sign_in")
async def begin_passkey_sign_in(passkeys: PasskeysDep, response: Response) -> PasskeyOptions:
    """Options for `navigator.credentials.get()`, valid for five minutes. They reveal nothing about any account."""
    response.headers["Cache-Control"] = "no-store"
    return service.begin_sign_in(passkeys)


@router.post(
    "/login",
    operation_id="sign_in_with_passkey",
    response_model=LoginAnswer | CookieLogin,
    responses=problem_responses(
        PasskeyRefused, EmailNotVerified, OriginRefused, TooManyAttempts, ServiceUnavailable, KeysNotReady
    ),
)
async def sign_in_with_passkey(
    login: PasskeyLogin,
    transport: LoginTransportDep,
    database: DatabaseDep,
    passkeys: PasskeysDep,
    tokens: TokensDep,
    device: DeviceDep,
    guard: GuardDep,
    client: ClientInfoDep,
) -> Response:
    """Begin a session with a passkey. It counts as two factors, so no code is needed."""
    await tokens.access.ensure_ready()
    begun = await service.sign_in(
        login.credential,
        database=database,
        passkeys=passkeys,
        codec=tokens.refresh,
        device=device,
        guard=guard,
        client=client,
    )
    response = write_tokens(await answer_login(begun, tokens=tokens), transport=transport)
    guard.remember_device(response, device_binding=begun.device_binding, client=client)
    return response


@router.get("", operation_id="list_passkeys", responses=problem_responses(SessionEnded))
@fast_path
async def list_passkeys(caller: CurrentUserDep, database: DatabaseDep) -> PasskeyList:
    """The caller's passkeys, oldest first."""
    return await service.list_passkeys(database, caller)


@router.patch(
    "/{passkey_id:uuid}", operation_id="rename_passkey", responses=problem_responses(SessionEnded, NotFound)
)
async def rename_passkey(
    passkey_id: UUID, patch: PasskeyPatch, caller: CurrentUserDep, db: SessionDep
) -> PasskeyAnswer:
    """Rename a passkey."""
    return await service.rename_passkey(db, caller, passkey_id, name=patch.name)


@router.delete(
    "/{passkey_id:uuid}",
    operation_id="remove_passkey",
    status_code=204,
    responses=problem_responses(SessionEnded, ReauthenticationRequired, NotFound, LastSignInMethod),
)
async def remove_passkey(passkey_id: UUID, caller: CurrentUserDep, db: SessionDep, outbox: OutboxDep) -> None:
    """Remove a passkey, within ten minutes of signing in. Sessions go on. The last sign-in method stays."""
    await service.remove_passkey(db, caller, passkey_id, outbox=outbox)
