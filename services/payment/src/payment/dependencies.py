"""The dependencies of routes besides the database: the caller, and the application's objects."""

from typing import Annotated, Any

from fastapi import Depends
from fastapi.requests import HTTPConnection

from payment.settings import Settings
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.app.state import component
from webcommon.auth.bearer import BearerToken, Caller, CallerDep, RequireRole, read_bearer_token

ADMIN = "admin"

_bearer_token = BearerToken()


SettingsDep = Annotated[Settings, component(Settings)]
ProvisionerDep = Annotated[UserProvisioner, component(UserProvisioner)]
"""Stores callers in `users`, and remembers which it has stored."""


async def get_customer(caller: CallerDep, provisioner: ProvisionerDep) -> Caller:
    """The caller, stored in `users`."""
    await provisioner.ensure_user(caller)
    return caller


CustomerDep = Annotated[Caller, Depends(get_customer)]
"""A signed-in caller; 401 without a valid access token."""


async def get_admin(
    admin: Annotated[Caller, Depends(RequireRole(ADMIN))], provisioner: ProvisionerDep
) -> Caller:
    """An admin, stored in `users`."""
    await provisioner.ensure_user(admin)
    return admin


AdminDep = Annotated[Caller, Depends(get_admin)]
"""An admin; 401 without a valid access token, 403 without the role."""


async def get_visitor(connection: HTTPConnection) -> Caller | None:
    """The caller; None without a token. A token that is sent must be valid."""
    return None if read_bearer_token(connection) is None else await _bearer_token(connection)


VisitorDep = Annotated[Caller | None, Depends(get_visitor)]
"""A caller, signed in or not; 401 for an invalid token."""

OPTIONAL_TOKEN: dict[str, Any] = {"security": [{}, {"AccessToken": []}]}
"""For the `openapi_extra=` of a route that takes `VisitorDep`."""


def is_admin(caller: Caller | None) -> bool:
    """Whether the caller has the role `admin`."""
    return caller is not None and ADMIN in caller.roles
