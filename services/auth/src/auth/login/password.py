"""Signing in with a password: one response and one timing for every reason to refuse."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from auth.audit.repository import record_login_failure
from auth.errors import EmailNotVerified, LoginFailed
from auth.login import repository
from auth.second_factors.challenges import open_challenge
from auth.second_factors.schemas import SecondFactorAsked
from auth.sessions.beginning import BegunSession, SecondFactorNeeded, Tokens, begin_session
from auth.sessions.device import Device
from dbcommon.engine import Database
from webcommon.accounts.credentials import Login, normalize_login
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import ClientInfo, Guard

if TYPE_CHECKING:
    import asyncpg

_TRIES = 3

_NO_BINDING = b""
"""No recognised device has it."""


@dataclass(frozen=True, kw_only=True)
class PasswordCheck:
    """What the verification of passwords needs."""

    database: Database
    hasher: PasswordHasher
    guard: Guard
    require_verified_email: bool
    stores_shadow_accounts: bool


@dataclass(frozen=True, kw_only=True)
class VerifiedPassword:
    """An account whose password is verified, and the hash that it was verified against."""

    user_id: UUID
    password_hash: str = field(repr=False)


async def sign_in(
    credentials: Login, *, check: PasswordCheck, tokens: Tokens, client: ClientInfo, device: Device
) -> BegunSession | SecondFactorAsked:
    """Begin a session with a password, or ask for the second factor. Raises what `verify_login` raises, and `KeysNotReady`."""
    await tokens.access.ensure_ready()
    for _ in range(_TRIES):
        verified = await verify_login(credentials, check=check, client=client)
        try:
            begun = await begin_session(
                check.database,
                verified.user_id,
                codec=tokens.refresh,
                device=device,
                password_hash=verified.password_hash,
            )
        except SecondFactorNeeded:
            asked = await _ask_for_factor(check.database, verified, device=device)
            if asked is not None:
                return asked
            continue
        if begun is not None:
            return begun
        # The account changed while the password was hashed (another sign-in upgraded the hash, say): try again.
    raise LoginFailed


async def _ask_for_factor(
    database: Database, verified: VerifiedPassword, *, device: Device
) -> SecondFactorAsked | None:
    async with database.transaction() as db:
        token = await open_challenge(
            db, verified.user_id, amr=device.amr, password_hash=verified.password_hash
        )
    return None if token is None else SecondFactorAsked(mfa_token=token)


async def verify_login(credentials: Login, *, check: PasswordCheck, client: ClientInfo) -> VerifiedPassword:
    """The account of the credentials.

    Raises `LoginFailed` for an unknown account, a wrong password and a disabled account; `TooManyAttempts`, whether or not
    there is an account; and `EmailNotVerified`, only after the right password. All of them run the same statements and
    hashes, so that their timing is the same. A slot is reserved before hashing, so that parallel guesses get no further
    than sequential ones.
    """
    login = normalize_login(credentials.login)
    candidates = await _find_candidates(login, check=check)
    counted = _find_counted(candidates[0], check=check)
    counted_id: UUID | None = None if counted is None else counted["id"]
    device_binding = _NO_BINDING if counted is None else counted["device_binding"]
    attempt = await check.guard.limit_login(
        login, account=counted_id, device_binding=device_binding, client=client
    )
    for candidate in candidates:
        stored: str | None = None if candidate is None else candidate["password_hash"]
        valid, replacement = await check.hasher.verify(credentials.password.get_secret_value(), stored)
        if candidate is None or stored is None or not valid or candidate["disabled_at"] is not None:
            continue
        # The limit is the counted account's: it does not block the other candidate's password.
        if attempt.may_succeed or candidate["id"] != counted_id:
            break
    else:
        await attempt.fail()
        await record_login_failure(check.database, user_id=counted_id)
        raise LoginFailed
    await attempt.succeed()
    if check.require_verified_email and not candidate["email_verified"]:
        raise EmailNotVerified
    if replacement is not None and await _upgrade(check.database, candidate, replacement=replacement):
        stored = replacement
    return VerifiedPassword(user_id=candidate["id"], password_hash=stored)


async def _find_candidates(login: str, *, check: PasswordCheck) -> "list[asyncpg.Record | None]":
    """The accounts whose password is accepted for this login. None stands for a missing one, so that the number of hashes
    depends only on the kind of login.

    With shadow accounts an e-mail address has two candidates: the account that verified it, and the newest registration
    that did not, whose password is accepted as if the address had been free.
    """
    database, with_shadows = check.database, check.stores_shadow_accounts
    # An invalid address is looked up too, since that takes as long as for a valid one.
    if "@" not in login:
        return [await repository.find_by_username(database, login, with_shadows=with_shadows)]
    if not with_shadows:
        return [await repository.find_by_email(database, login)]
    found = {row["email_verified"]: row for row in await repository.find_registrations(database, login)}
    return [found.get(True), found.get(False)]


def _find_counted(candidate: "asyncpg.Record | None", *, check: PasswordCheck) -> "asyncpg.Record | None":
    """The account whose counter and history record failures, under its e-mail address and its username alike.

    None for an unverified account where it has to look like a shadow account. If a shadow account shared the counter of the
    account that it shadows, guesses at the username of the one would block the password of the other, and so reveal that
    the address has an owner.
    """
    if candidate is None or (check.stores_shadow_accounts and not candidate["email_verified"]):
        return None
    return candidate


async def _upgrade(database: Database, candidate: "asyncpg.Record", *, replacement: str) -> bool:
    async with database.transaction() as db:
        return await repository.upgrade_password_hash(
            db, candidate["id"], old=candidate["password_hash"], new=replacement
        )
