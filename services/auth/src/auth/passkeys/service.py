"""Adding and removing passkeys, and signing in with one."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event, record_login_failure
from auth.errors import EmailNotVerified, LastSignInMethod
from auth.mail.outbox import Outbox
from auth.passkeys import repository
from auth.passkeys.challenges import ChallengeCodec
from auth.passkeys.errors import PasskeyKnown, PasskeyRefused, TooManyPasskeys
from auth.passkeys.schemas import PasskeyAnswer, PasskeyList, PasskeyOptions
from auth.passkeys.verification import (
    InvalidCredential,
    KnownPasskey,
    RelyingParty,
    make_registration_options,
    make_sign_in_options,
    read_challenge,
    read_credential_id,
    read_user_handle,
    verify_registration,
    verify_sign_in,
)
from auth.second_factors.service import lock_factors
from auth.sessions.beginning import BegunSession, begin_session
from auth.sessions.current_user import lock_current_user, require_recent_login
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.settings.clients import EVERY_SCOPE, FIRST_PARTY_CLIENT
from auth.users.sign_in_methods import count_sign_in_methods
from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.api.problems import InvalidRequest, NotFound
from webcommon.auth.bearer import Caller

MAX_PASSKEYS = 20
"""Per account."""


@dataclass(frozen=True, kw_only=True)
class Passkeys:
    """The relying party and the codec of challenges."""

    party: RelyingParty
    challenges: ChallengeCodec
    require_verified_email: bool


@dataclass(frozen=True, kw_only=True)
class VerifiedAssertion:
    """A verified assertion, and its challenge, which is still unused."""

    passkey_id: UUID
    user_id: UUID
    sign_count: int
    challenge: bytes
    expires_at: datetime


async def begin_registration(database: Database, caller: Caller, *, passkeys: Passkeys) -> PasskeyOptions:
    """Options to create a passkey. They exclude the devices that have one already. Raises `ReauthenticationRequired`."""
    require_recent_login(caller)
    known = [
        KnownPasskey(credential_id=row.credential_id, transports=row.transports)
        for row in await repository.find_credentials(database, caller.id)
    ]
    options = make_registration_options(
        passkeys.party,
        user_id=caller.id,
        username=caller.username or caller.email or "",
        challenge=passkeys.challenges.issue(registers=caller.id),
        known=known,
    )
    return PasskeyOptions(public_key=options)


async def add_passkey(
    db: AsyncSession,
    caller: Caller,
    credential: dict[str, Any],
    *,
    name: str,
    passkeys: Passkeys,
    outbox: Outbox,
) -> PasskeyAnswer:
    """Store the passkey that a browser created for the caller.

    Raises `InvalidRequest` for an invalid credential, `PasskeyKnown`, `TooManyPasskeys`, `ReauthenticationRequired`
    and `SessionEnded`.
    """
    account = await lock_factors(db, caller)
    try:
        challenge = read_challenge(credential)
        expires_at = passkeys.challenges.read(challenge, registers=caller.id)
        if expires_at is None or not await repository.use_challenge(db, challenge, expires_at=expires_at):
            raise InvalidCredential("the challenge is used, expired or of another account")  # noqa: TRY301 - one answer for all
        new = verify_registration(credential, party=passkeys.party, challenge=challenge)
    except InvalidCredential:
        raise InvalidRequest(
            "The passkey does not match the options. Request new ones, and try again on a page that may use passkeys.",
            pointer="#/credential",
        ) from None
    if await repository.count_passkeys(db, account.id) >= MAX_PASSKEYS:
        raise TooManyPasskeys
    try:
        row = await repository.insert_passkey(db, account.id, new, name=name)
    except IntegrityError as error:
        if violated_constraint(error) == "uq_passkeys_credential_id":
            raise PasskeyKnown from None
        raise
    await record_event(db, "passkey_added", user_id=account.id, session_id=caller.session_id)
    await outbox.notify_owner(db, "passkey_added", address=account.email, user_id=account.id)
    return PasskeyAnswer.model_validate(row)


async def list_passkeys(database: Database, caller: Caller) -> PasskeyList:
    """The caller's passkeys."""
    rows = await repository.find_passkeys(database, caller.id)
    return PasskeyList(items=[PasskeyAnswer.model_validate(row) for row in rows])


async def rename_passkey(db: AsyncSession, caller: Caller, passkey_id: UUID, *, name: str) -> PasskeyAnswer:
    """Rename a passkey; needs no recent sign-in. Raises `NotFound` and `SessionEnded`."""
    await lock_current_user(db, caller)
    row = await repository.rename_passkey(db, passkey_id, user_id=caller.id, name=name)
    if row is None:
        raise _not_found()
    return PasskeyAnswer.model_validate(row)


async def remove_passkey(db: AsyncSession, caller: Caller, passkey_id: UUID, *, outbox: Outbox) -> None:
    """Remove a passkey; the sessions that it began go on.

    Raises `NotFound`, `LastSignInMethod`, `ReauthenticationRequired` and `SessionEnded`.
    """
    account = await lock_factors(db, caller)
    methods = await count_sign_in_methods(db, account.id)
    if not await repository.delete_passkey(db, passkey_id, user_id=account.id):
        raise _not_found()
    if methods < 2:
        raise LastSignInMethod
    await record_event(db, "passkey_removed", user_id=account.id, session_id=caller.session_id)
    await outbox.notify_owner(db, "passkey_removed", address=account.email, user_id=account.id)


def begin_sign_in(passkeys: Passkeys) -> PasskeyOptions:
    """Options to sign in; only their challenge differs."""
    challenge = passkeys.challenges.issue(registers=None)
    return PasskeyOptions(public_key=make_sign_in_options(passkeys.party, challenge=challenge))


async def sign_in(
    credential: dict[str, Any],
    *,
    database: Database,
    passkeys: Passkeys,
    codec: RefreshTokenCodec,
    device: Device,
    guard: Guard,
    client: ClientInfo,
) -> BegunSession:
    """Begin a session with a passkey. It counts as two factors (possession, and the device's user verification), so no code
    is needed. Raises `PasskeyRefused`, whatever is wrong, `TooManyAttempts` and `EmailNotVerified`."""
    async with (
        attempt_assertion(
            credential, database=database, passkeys=passkeys, guard=guard, client=client
        ) as assertion,
        database.transaction() as db,
    ):
        return await begin_passkey_session(db, assertion, passkeys=passkeys, codec=codec, device=device)


@contextlib.asynccontextmanager
async def attempt_assertion(
    credential: dict[str, Any], *, database: Database, passkeys: Passkeys, guard: Guard, client: ClientInfo
) -> AsyncIterator[VerifiedAssertion]:
    """The verified assertion, for the block to begin one session with. `PasskeyRefused`, raised here or in the block, counts
    as a failed attempt.

    Raises `PasskeyRefused` and `TooManyAttempts`.
    """
    attempt = await guard.limit_passkey(client=client)
    try:
        yield await _verify(credential, database=database, passkeys=passkeys)
    except PasskeyRefused:
        await attempt.fail()
        raise
    except EmailNotVerified:
        await attempt.succeed()
        raise
    await attempt.succeed()


async def begin_passkey_session(
    db: AsyncSession,
    assertion: VerifiedAssertion,
    *,
    passkeys: Passkeys,
    codec: RefreshTokenCodec,
    device: Device,
    client_id: str = FIRST_PARTY_CLIENT,
    scope: str = EVERY_SCOPE,
) -> BegunSession:
    """Begin the session, and use up the challenge, in the given transaction. Call it within `attempt_assertion`.

    Raises `PasskeyRefused` and `EmailNotVerified`; the transaction has to be rolled back then.
    """
    begun = await begin_session(
        db,
        assertion.user_id,
        codec=codec,
        device=device.by("passkey"),
        client_id=client_id,
        scope=scope,
        second_factor_verified=True,
    )
    if (
        begun is None
        or not await repository.record_use(db, assertion.passkey_id, sign_count=assertion.sign_count)
        or not await repository.use_challenge(db, assertion.challenge, expires_at=assertion.expires_at)
    ):
        raise PasskeyRefused
    if passkeys.require_verified_email and not begun.user.email_verified:
        raise EmailNotVerified
    return begun


async def _verify(credential: dict[str, Any], *, database: Database, passkeys: Passkeys) -> VerifiedAssertion:
    user_id: UUID | None = None
    try:
        challenge = read_challenge(credential)
        expires_at = passkeys.challenges.read(challenge, registers=None)
        row = await repository.find_by_credential(database, read_credential_id(credential))
        if row is None or expires_at is None:
            raise InvalidCredential("an unknown passkey, or an expired challenge")  # noqa: TRY301 - one answer for all
        user_id = row["user_id"]
        if read_user_handle(credential) not in (None, row["user_id"].bytes):
            raise InvalidCredential("another account's passkey")  # noqa: TRY301 - one answer for all
        sign_count = verify_sign_in(
            credential,
            party=passkeys.party,
            challenge=challenge,
            public_key=row["public_key"],
            sign_count=row["sign_count"],
        )
    except InvalidCredential:
        await record_login_failure(database, user_id=user_id)
        raise PasskeyRefused from None
    return VerifiedAssertion(
        passkey_id=row["id"],
        user_id=row["user_id"],
        sign_count=sign_count,
        challenge=challenge,
        expires_at=expires_at,
    )


def _not_found() -> NotFound:
    return NotFound("You have no passkey with this id.")
