"""What the verification of passwords needs, from the settings."""

from auth.login.password import PasswordCheck
from auth.settings import Settings
from dbcommon.engine import Database
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import Guard


def make_password_check(
    settings: Settings, *, database: Database, hasher: PasswordHasher, guard: Guard
) -> PasswordCheck:
    return PasswordCheck(
        database=database,
        hasher=hasher,
        guard=guard,
        require_verified_email=settings.require_verified_email,
        stores_shadow_accounts=settings.stores_shadow_accounts,
    )
