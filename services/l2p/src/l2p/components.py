"""What Learn2Play keeps for all its requests."""

from dataclasses import dataclass

from l2p.tokens import TokenSigner
from webcommon.passwords import PasswordHasher
from webcommon.provisioning.service import UserProvisioner
from webcommon.throttling.guard import Guard


@dataclass(frozen=True, kw_only=True)
class Components:
    """Each is asked for by its type (`webcommon.state.component`)."""

    signer: TokenSigner
    guard: Guard
    hasher: PasswordHasher
    provisioner: UserProvisioner
