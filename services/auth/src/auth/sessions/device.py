"""What a session remembers of where it began."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request

from auth.models.sessions import AuthenticationMethod
from auth.settings import Settings
from webcommon.client_address import IPAddress, client_address

LONGEST_USER_AGENT = 512
"""Characters; the rest is cut off."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """An address, what the program calls itself, and the way of signing in, for its owner to recognise."""

    ip: IPAddress | None = None
    user_agent: str | None = None
    amr: AuthenticationMethod = "password"

    def by(self, amr: AuthenticationMethod) -> "Device":
        """The same device, signing in another way."""
        return replace(self, amr=amr)


async def get_device(request: Request) -> Device:
    """Where the request comes from."""
    settings: Settings = request.app.settings
    agent = request.headers.get("user-agent", "").replace("\x00", "")[:LONGEST_USER_AGENT]
    return Device(ip=client_address(request, settings.trusted_networks), user_agent=agent or None)


DeviceDep = Annotated[Device, Depends(get_device)]
