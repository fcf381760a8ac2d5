"""The relying party and the keys of challenges, from the settings."""

from auth.passkeys.challenges import ChallengeCodec
from auth.passkeys.service import Passkeys
from auth.passkeys.verification import RelyingParty
from auth.settings import Settings
from webcommon.keys import derive_key


def make_passkeys(settings: Settings) -> Passkeys:
    return Passkeys(
        party=RelyingParty(
            domain=settings.relying_party, name=settings.display_name, origins=settings.passkey_pages
        ),
        challenges=ChallengeCodec(derive_key(settings.secret.get_secret_value(), "passkey challenges")),
        require_verified_email=settings.require_verified_email,
    )
