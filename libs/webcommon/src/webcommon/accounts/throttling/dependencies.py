"""Dependencies of routes whose attempts are limited."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.accounts.throttling.settings import ThrottledSettings
from webcommon.app.state import component
from webcommon.client_address import client_address


async def get_client_info(connection: HTTPConnection) -> ClientInfo:
    """The client's address and device cookie."""
    settings: ThrottledSettings = connection.app.settings
    guard: Guard = connection.app.component(Guard)
    return ClientInfo(
        address=client_address(connection, settings.trusted_networks),
        device_cookie=connection.cookies.get(guard.device_cookie_name),
    )


GuardDep = Annotated[Guard, component(Guard)]
ClientInfoDep = Annotated[ClientInfo, Depends(get_client_info)]
