"""Signing in with a password: one answer and one timing for whatever is wrong."""

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

_STRANGER = b""
"""What no device is known by."""


@dataclass(frozen=True, kw_only=True)
class PasswordCheck:
    """What passwords are checked with."""

    database: Database
    hasher: PasswordHasher
    guard: Guard
    require_verified_email: bool
    stores_shadow_accounts: bool


@dataclass(frozen=True, kw_only=True)
class VerifiedPassword:
    """An account whose password was given, and the hash that it was verified against."""

    user_id: UUID
    password_hash: str = field(repr=False)


async def sign_in(
    credentials: Login, *, check: PasswordCheck, tokens: Tokens, client: ClientInfo, device: Device
) -> BegunSession | SecondFactorAsked:
    """Begin a session with a password, or ask for the second factor. Raises what `verify_login` raises, and `KeysNotReady`."""
    await tokens.access.ensure_ready()
    for _ in range(_TRIES):
        proven = await verify_login(credentials, check=check, client=client)
        try:
            begun = await begin_session(
                check.database,
                proven.user_id,
                codec=tokens.refresh,
                device=device,
                password_hash=proven.password_hash,
            )
        except SecondFactorNeeded:
            asked = await _ask_for_factor(check.database, proven, device=device)
            if asked is not None:
                return asked
            continue
        if begun is not None:
            return begun
        # The account changed while the hash was computed (by the upgrade of another login, say): ask it again.
    raise LoginFailed


async def _ask_for_factor(
    database: Database, proven: VerifiedPassword, *, device: Device
) -> SecondFactorAsked | None:
    async with database.transaction() as db:
        token = await open_challenge(db, proven.user_id, amr=device.amr, password_hash=proven.password_hash)
    return None if token is None else SecondFactorAsked(mfa_token=token)


async def verify_login(credentials: Login, *, check: PasswordCheck, client: ClientInfo) -> VerifiedPassword:
    """The account that the credentials open. Raises `LoginFailed` alike for an unknown account, a wrong password and a
    disabled account, `TooManyAttempts` alike whether there is an account or not, and `EmailNotVerified` once the password
    is proven.

    Each of them costs the same statements and hashes, so that timing does not tell them apart either. A place under
    the limits is taken before the hash: of guesses sent all at once no more are looked at than of those sent in a row.
    """
    login = normalize_login(credentials.login)
    candidates = await _find_candidates(login, check=check)
    account = _find_counted(candidates[0], check=check)
    device_binding = (
        _STRANGER if account is None or candidates[0] is None else candidates[0]["device_binding"]
    )
    attempt = await check.guard.limit_login(
        login, account=account, device_binding=device_binding, client=client
    )
    for candidate in candidates:
        stored: str | None = None if candidate is None else candidate["password_hash"]
        valid, replacement = await check.hasher.verify(credentials.password.get_secret_value(), stored)
        if candidate is None or stored is None or not valid or candidate["disabled_at"] is not None:
            continue
        # The count of an account's two names keeps that account shut, and nobody else's password from being proven.
        if attempt.may_succeed or candidate["id"] != account:
            break
    else:
        await attempt.fail()
        await record_login_failure(check.database, user_id=account)
        raise LoginFailed
    await attempt.succeed()
    if check.require_verified_email and not candidate["email_verified"]:
        raise EmailNotVerified
    if replacement is not None and await _upgrade(check.database, candidate, replacement=replacement):
        stored = replacement
    return VerifiedPassword(user_id=candidate["id"], password_hash=stored)


async def _find_candidates(login: str, *, check: PasswordCheck) -> "list[asyncpg.Record | None]":
    """The accounts whose password it may be, with None in an empty place: as many for every login of its kind, since
    each costs a hash.

    Where accounts of taken addresses are withheld, an address has two: for the account that has proven it, and for the
    newest registration that has not, whose password is as good as if nobody had had the address before.
    """
    database, with_shadows = check.database, check.stores_shadow_accounts
    # What is no address is looked for all the same: that takes as long as a real one.
    if "@" not in login:
        return [await repository.find_by_username(database, login, with_shadows=with_shadows)]
    if not with_shadows:
        return [await repository.find_by_email(database, login)]
    found = {row["email_verified"]: row for row in await repository.find_registrations(database, login)}
    return [found.get(True), found.get(False)]


def _find_counted(account: "asyncpg.Record | None", *, check: PasswordCheck) -> UUID | None:
    """The account that failures count against under whichever of its names, and whose history tells of them.

    None for one that is unverified where those and withheld ones have to look alike. Did a withheld one share its holder's
    count, guesses at the holder's username would make its password fail, and so tell a stranger whose the address is.
    """
    if account is None or (check.stores_shadow_accounts and not account["email_verified"]):
        return None
    counted: UUID = account["id"]
    return counted


async def _upgrade(database: Database, account: "asyncpg.Record", *, replacement: str) -> bool:
    async with database.transaction() as db:
        return await repository.upgrade_password_hash(
            db, account["id"], old=account["password_hash"], new=replacement
        )
