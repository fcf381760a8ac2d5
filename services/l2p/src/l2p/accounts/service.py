"""The rules of registering and signing in."""

from dbcommon.engine import Database
from dbcommon.models import new_id
from l2p.accounts import repository
from l2p.accounts.errors import EmailTaken, LoginFailed, UsernameTaken
from l2p.accounts.repository import NewAccount
from l2p.accounts.schemas import LoggedIn
from l2p.models import INITIAL_RATING
from l2p.tokens import TokenSigner
from l2p.users.schemas import OwnUser
from webcommon.accounts.credentials import Login, Registration, normalize_login
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import ClientInfo, Guard


async def register(
    database: Database,
    registration: Registration,
    *,
    hasher: PasswordHasher,
    guard: Guard,
    client: ClientInfo,
    reveal_taken_email: bool,
) -> OwnUser:
    """A new account. Raises `UsernameTaken`, `TooManyAttempts`, and `EmailTaken` if `reveal_taken_email`.

    Otherwise a taken address gets the response of a new account, after the same work; nothing is stored.
    """
    await guard.limit_sign_up(client=client)
    account = NewAccount(
        username=registration.username,
        email=registration.email,
        password_hash=await hasher.hash(registration.password.get_secret_value()),
    )
    async with database.transaction() as db:
        while True:
            row = await repository.insert_if_free(db, account)
            if row is not None:
                return OwnUser.model_validate(row)
            taken = await repository.find_taken(db, username=account.username, email=account.email)
            if taken.username:
                raise UsernameTaken
            if taken.email and reveal_taken_email:
                raise EmailTaken
            if taken.email:
                return OwnUser(
                    id=new_id(),
                    username=account.username,
                    email=account.email,
                    rating=INITIAL_RATING,
                    created_at=taken.at,
                )
            # The other account was deleted between the two statements: try again.


async def log_in(
    database: Database,
    login: Login,
    *,
    hasher: PasswordHasher,
    signer: TokenSigner,
    guard: Guard,
    client: ClientInfo,
) -> LoggedIn:
    """An access token. Raises `LoginFailed`, after the same work whatever the reason, and `TooManyAttempts`.

    The limit depends on the login as typed, not on whether there is such an account.
    """
    password = login.password.get_secret_value()
    name = normalize_login(login.login)
    row = await repository.find_credentials(database, name)
    account = None if row is None else row.id
    device_binding = b"" if account is None else account.bytes
    attempt = await guard.limit_login(name, account=account, device_binding=device_binding, client=client)
    is_valid, new_hash = await hasher.verify(password, row.password_hash if row is not None else None)
    if row is None or not is_valid or not attempt.may_succeed:
        await attempt.fail()
        raise LoginFailed
    await attempt.succeed()
    if new_hash is not None:
        async with database.transaction() as db:
            await repository.replace_hash(db, user_id=row.id, old=row.password_hash, new=new_hash)
    token = signer.sign(user_id=row.id, email=row.email, username=row.username)
    return LoggedIn(access_token=token.text, expires_in=token.expires_in, user=OwnUser.model_validate(row))
