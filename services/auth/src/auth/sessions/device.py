"""The device at which a session began."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request

from auth.models.sessions import AuthenticationMethod
from auth.settings import Settings
from webcommon.client_address import IPAddress, client_address

LONGEST_USER_AGENT = 512
"""In characters; the rest is cut off."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Network address, user agent and sign-in method, by which its owner recognises a session."""

    ip: IPAddress | None = None
    user_agent: str | None = None
    amr: AuthenticationMethod = "password"

    def by(self, amr: AuthenticationMethod) -> "Device":
        """The same device with another sign-in method."""
        return replace(self, amr=amr)


async def get_device(request: Request) -> Device:
    """The device that sent the request."""
    settings: Settings = request.app.settings
    agent = request.headers.get("user-agent", "").replace("\x00", "")[:LONGEST_USER_AGENT]
    return Device(ip=client_address(request, settings.trusted_networks), user_agent=agent or None)


DeviceDep = Annotated[Device, Depends(get_device)]
