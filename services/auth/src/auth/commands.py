"""What an operator does to accounts and signing keys: `quartet auth …`."""

from dataclasses import dataclass
from typing import Annotated, get_args

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.keys import repository as keys
from auth.models.accounts import Role
from auth.users import repository as users
from webcommon.commands import NotFound, RunInTransaction

group = typer.Typer(
    help="Accounts and signing keys of the auth service.", no_args_is_help=True, add_completion=False
)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """An account's roles, and whether its owner has confirmed the e-mail address."""

    names: list[str]
    email_verified: bool


@group.command(short_help="Give an account a role, or take it away.")
def grant(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="The account's e-mail address.", show_default=False)],
    role: Annotated[str, typer.Argument(help="The role, such as admin.", show_default=False)],
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the role away.")] = False,
) -> None:
    """Give an account a role, or take it away. It holds from the account's next access token on, and its history tells of it.

    Anybody may register any address: to be told that the owner has not confirmed it is a reason to ask them first.

    Example: quartet auth grant ada@example.com admin

    Exit codes: 0 · 2 not a role's name · 6 wrong password · 10 no server answers · 13 no such account
    """
    if role not in get_args(Role):
        raise typer.BadParameter(f"there is no role {role!r}: the roles are {', '.join(get_args(Role))}")
    run: RunInTransaction = context.obj
    roles = run("auth", lambda db: change_role(db, email=email, role=role, revoke=revoke))
    if not (revoke or role == "user" or roles.email_verified):
        typer.echo(
            f"quartet: {email} has not confirmed its address: make sure that the account is theirs", err=True
        )
    typer.echo(f"{email}: {', '.join(roles.names) or 'no roles'}")


@group.command(short_help="Sign access tokens with a new key.")
def rotate_keys(
    context: typer.Context,
    *,
    now: Annotated[
        bool, typer.Option("--now", help="For a key that leaked: no key of before verifies any longer.")
    ] = False,
) -> None:
    """Sign access tokens with a new key. Nothing has to be restarted, and nobody has to sign in again.

    A running Auth makes the key within seconds, publishes it for AUTH_KEY_PUBLISH_SECONDS before it signs, and keeps the
    old one published until its last token has expired.

    With --now the new key signs at once, and tokens of the old one are refused: by Auth within seconds, by the other
    services when they next fetch the keys, within minutes. It costs everybody a refresh, which works as before, and
    ID tokens that apps have at hand verify no longer.

    Exit codes: 0 · 6 wrong password · 10 no server answers · 13 there is no key yet
    """
    run: RunInTransaction = context.obj
    if now:
        withdrawn = run("auth", withdraw_keys)
        typer.echo(f"withdrawn: {', '.join(withdrawn)}; a running Auth makes another key within seconds")
        return
    key = run("auth", request_new_key)
    if key is None:
        typer.echo("a new key is on its way already; nothing was changed")
    else:
        typer.echo(f"key {key} gets a successor, which is published first and signs after that")


async def change_role(db: AsyncSession, *, email: str, role: str, revoke: bool) -> Roles:
    """Give the account a role or take it away, and record that in its history if it changed anything.

    Two calls at once record it once: the account is locked first. Raises NotFound for an unknown address.
    """
    account = await users.lock_by_email(db, email)
    if account is None:
        raise NotFound(f"no account has the e-mail address {email}: let its owner register first")
    names = [name for name in account.roles if name != role] + ([] if revoke else [role])
    if set(names) == set(account.roles):
        return Roles(names=account.roles, email_verified=account.email_verified)
    await users.set_roles(db, account.id, names)
    await record_event(db, "role_revoked" if revoke else "role_granted", user_id=account.id)
    return Roles(names=names, email_verified=account.email_verified)


async def request_new_key(db: AsyncSession) -> str | None:
    """Ask for a successor of the newest signing key, which a running Auth makes within seconds; the key's id.

    None when one is on its way already, so that two calls make one key; also after `withdraw_keys`, until Auth has made
    the key that signs instead. A command cannot make it: private keys are encrypted under a secret that only Auth has.
    Raises NotFound when there is no key yet.
    """
    kid = await keys.request_successor(db)
    if kid is None and not await keys.exist(db):
        raise NotFound("there is no signing key yet: Auth makes one when it starts")
    return kid


async def withdraw_keys(db: AsyncSession) -> list[str]:
    """Let no published key sign or verify from now on, including one that does not sign yet; their ids.

    A running Auth that finds no key left makes one, which signs at once. Raises NotFound when none is published.
    """
    withdrawn = await keys.withdraw_published(db)
    if not withdrawn:
        raise NotFound("no signing key is published: Auth makes one when it runs")
    await record_event(db, "keys_rotated", user_id=None)
    return withdrawn
