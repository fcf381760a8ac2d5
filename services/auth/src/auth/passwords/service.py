"""The rules of changing a password."""

from pydantic import SecretStr

from auth.audit.repository import record_event, record_login_failure
from auth.errors import PasswordWrong, SessionEnded
from auth.mail import repository as mails
from auth.mail.outbox import Outbox
from auth.passwords import repository
from auth.passwords.errors import NoPassword
from auth.passwords.schemas import PasswordChange
from auth.sessions.current_user import lock_current_user, require_recent_login
from auth.sessions.ending import end_sessions
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.accounts.credentials import find_weakness
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.api.problems import InvalidRequest
from webcommon.auth.bearer import Caller


async def verify_password(
    caller: Caller,
    password: SecretStr,
    *,
    database: Database,
    hasher: PasswordHasher,
    guard: Guard,
    client: ClientInfo,
) -> AnyRow:
    """Check the caller's password; gives the account. Raises `NoPassword`, `PasswordWrong` and `TooManyAttempts`.

    Wrong passwords are counted, since a stolen access token would allow unlimited guesses otherwise.
    """
    account = await repository.find_account(database, caller.id)
    if account is None:
        raise SessionEnded
    if account.password_hash is None:
        # Not a guess, so it is not counted.
        raise NoPassword
    attempt = await guard.limit_reauthentication(account.id, client=client)
    valid, _ = await hasher.verify(password.get_secret_value(), account.password_hash)
    if not valid:
        await attempt.fail()
        await record_login_failure(database, user_id=account.id)
        raise PasswordWrong
    await attempt.succeed()
    return account


async def change_password(
    caller: Caller,
    change: PasswordChange,
    *,
    database: Database,
    hasher: PasswordHasher,
    guard: Guard,
    client: ClientInfo,
    outbox: Outbox,
) -> None:
    """Set another password and end every other session.

    Raises `ReauthenticationRequired`, `SessionEnded`, `NoPassword`, `PasswordWrong`, `TooManyAttempts`, and `InvalidRequest`
    for a weak new one.
    """
    require_recent_login(caller)
    new = change.new_password.get_secret_value()
    weakness = find_weakness(new, email=caller.email, username=caller.username, spells_username=True)
    if weakness is not None:
        raise InvalidRequest(weakness, pointer="#/new_password")
    account = await verify_password(
        caller, change.current_password, database=database, hasher=hasher, guard=guard, client=client
    )
    replacement = await hasher.hash(new)
    async with database.transaction() as db:
        await lock_current_user(db, caller)
        if not await repository.replace_hash(db, account.id, old=account.password_hash, new=replacement):
            # A concurrent change replaced the password that was checked.
            raise PasswordWrong
        # Links that were requested by a thief who knew the old password must not outlive it.
        await mails.delete_tokens(db, account.id, kinds=["reset", "change_email"])
        await end_sessions(db, account.id, reason="password_changed", keep=caller.session_id)
        await record_event(db, "password_changed", user_id=account.id, session_id=caller.session_id)
        await outbox.notify_owner(db, "password_changed", address=account.email, user_id=account.id)
