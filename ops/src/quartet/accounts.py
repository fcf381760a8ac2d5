"""Roles of accounts, the wish for a new signing key and the end of a leaked one, written straight into auth's database by
whoever holds its password."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from dbcommon.dsn import DatabaseUrl
from dbcommon.models import new_id
from quartet.errors import NotFound, ServerFailed, WrongPassword, WrongSettings

ROLES = ("user", "editor", "admin")
_CHANGE_ROLE = """
    WITH account AS (
        SELECT id, roles, email_verified FROM users WHERE lower(email::text) = lower($1) FOR NO KEY UPDATE
    ), changed AS (
        UPDATE users SET updated_at = now(),
            roles = CASE WHEN $3 THEN array_remove(users.roles, $2) ELSE array_append(users.roles, $2) END
        FROM account WHERE users.id = account.id AND ($2 = ANY (account.roles)) = $3
        RETURNING users.id, users.roles
    ), told AS (
        INSERT INTO audit_events (id, event, user_id)
        SELECT $4, CASE WHEN $3 THEN 'role_revoked' ELSE 'role_granted' END, id FROM changed
    )
    SELECT coalesce(changed.roles, account.roles) AS roles, email_verified
    FROM account LEFT JOIN changed ON true
"""
"""A role of an account, and the event of it when that changed anything. The account is locked first, so that two commands
at once write one event."""

_ROTATE = """
    UPDATE signing_keys SET rotate_at = now()
    WHERE kid = (SELECT kid FROM signing_keys ORDER BY active_from DESC, kid DESC LIMIT 1)
      AND rotate_at IS NULL AND active_from <= now() AND (expires_at IS NULL OR expires_at > now())
    RETURNING kid
"""
_WITHDRAW = """
    WITH withdrawn AS (
        UPDATE signing_keys
        SET active_from = least(active_from, now()), retired_at = least(retired_at, now()), expires_at = now()
        WHERE expires_at IS NULL OR expires_at > now()
        RETURNING kid
    ), told AS (
        INSERT INTO audit_events (event) SELECT 'keys_rotated' WHERE EXISTS (SELECT FROM withdrawn)
    )
    SELECT kid FROM withdrawn
"""


def check_role(role: str) -> None:
    """Raises WrongSettings for what is no role's name."""
    if role not in ROLES:
        raise _unknown_role(role)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What an account may do, and whether its owner has shown that the address is theirs."""

    names: list[str]
    email_verified: bool


async def change_role(url: DatabaseUrl, *, email: str, role: str, revoke: bool) -> Roles:
    """Give the account a role or take it away, which its history tells; its roles afterwards. Raises NotFound for an
    unknown address."""
    connection = await _connect(url)
    try:
        row = await connection.fetchrow(_CHANGE_ROLE, email, role, revoke, new_id())
    except asyncpg.UndefinedTableError as error:
        raise ServerFailed(
            f"{url.database} has no accounts table yet: run `quartet db migrate auth`"
        ) from error
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "ck_users_roles":
            raise _unknown_role(role) from error
        raise _out_of_date(url) from error  # its history does not know of roles yet
    except asyncpg.PostgresError as error:  # its text would go on with a DETAIL of the row's values
        raise ServerFailed(f"{url.database} refuses the change: {error.args[0]}") from error
    finally:
        await connection.close()
    if row is None:
        raise NotFound(f"no account has the e-mail address {email}: let its owner register first")
    return Roles(names=list(row["roles"]), email_verified=row["email_verified"])


async def ask_for_new_key(url: DatabaseUrl) -> str | None:
    """Ask for a successor of the newest signing key, which a running Auth makes within seconds; the key's id.

    None when one is on its way already, so that two calls make one key; also after `withdraw_keys`, until Auth has made
    the key that signs instead. The command cannot make it: private keys are encrypted under a secret that only Auth has.
    Raises NotFound when there is no key yet.
    """
    async with _keys_of(url) as connection:
        asked: str | None = await connection.fetchval(_ROTATE)
        if asked is None and not await connection.fetchval("SELECT EXISTS (SELECT FROM signing_keys)"):
            raise NotFound("there is no signing key yet: Auth makes one when it starts")
    return asked


async def withdraw_keys(url: DatabaseUrl) -> list[str]:
    """Let no published key sign or verify from now on, one that waits for its turn included; their ids.

    A running Auth that finds no key left makes one, which signs at once. Raises NotFound when none is published.
    """
    async with _keys_of(url) as connection:
        withdrawn = await connection.fetch(_WITHDRAW)
    if not withdrawn:
        raise NotFound("no signing key is published: Auth makes one when it runs")
    return [row["kid"] for row in withdrawn]


@contextlib.asynccontextmanager
async def _keys_of(url: DatabaseUrl) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await _connect(url)
    try:
        yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise _out_of_date(url) from error
    finally:
        await connection.close()


async def _connect(url: DatabaseUrl) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            **{"timeout": 10, **url.connect_arguments(application_name="quartet-auth")}
        )
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise WrongPassword(
            f"{url.database} refuses {url.user}: `quartet provision` sets its password anew"
        ) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise ServerFailed(f"{url.database} cannot be reached ({error}): run `quartet up` first") from error
    return connection


def _out_of_date(url: DatabaseUrl) -> ServerFailed:
    return ServerFailed(f"{url.database} is not up to date: run `quartet db migrate auth`")


def _unknown_role(role: str) -> WrongSettings:
    return WrongSettings(f"there is no role {role!r}: the roles are {', '.join(ROLES)}")
