"""What routes ask of the passkeys."""

from typing import Annotated

from fastapi import Depends, Request

from auth.passkeys.service import Passkeys


async def get_passkeys(request: Request) -> Passkeys:
    """What passkeys are made and checked with."""
    passkeys: Passkeys = request.app.state.passkeys
    return passkeys


PasskeysDep = Annotated[Passkeys, Depends(get_passkeys)]
