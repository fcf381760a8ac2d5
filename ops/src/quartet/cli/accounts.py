"""`quartet auth …`: what an operator does to accounts."""

import asyncio
from typing import Annotated

import typer

from quartet.accounts import ask_for_new_key, change_role, check_role, withdraw_keys
from quartet.cli.lazy import Entry, lazy_group
from quartet.readiness import ensure_answers
from quartet.settings import load_settings

group = lazy_group(
    {
        "grant": Entry("quartet.cli.accounts:grant", "Give an account a role, or take it away."),
        "rotate-keys": Entry("quartet.cli.accounts:rotate_keys", "Sign access tokens with a new key."),
    },
    help="Accounts and signing keys of the auth service.",
)


def grant(
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
    check_role(role)
    settings = load_settings(check=False)
    url = settings.database_url("auth", server=settings.server())
    ensure_answers(settings, [url])
    roles = asyncio.run(change_role(url, email=email, role=role, revoke=revoke))
    if not (revoke or role == "user" or roles.email_verified):
        typer.echo(
            f"quartet: {email} has not confirmed its address: make sure that the account is theirs", err=True
        )
    typer.echo(f"{email}: {', '.join(roles.names) or 'no roles'}")


def rotate_keys(
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
    settings = load_settings(check=False)
    url = settings.database_url("auth", server=settings.server())
    ensure_answers(settings, [url])
    if now:
        withdrawn = asyncio.run(withdraw_keys(url))
        typer.echo(f"withdrawn: {', '.join(withdrawn)}; a running Auth makes another key within seconds")
        return
    asked = asyncio.run(ask_for_new_key(url))
    if asked is None:
        typer.echo("a new key is on its way already; nothing was changed")
    else:
        typer.echo(f"key {asked} gets a successor, which is published first and signs after that")
