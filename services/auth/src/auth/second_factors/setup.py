"""The keys of second factors, from the settings."""

from auth.second_factors.codes import SecondFactors
from auth.second_factors.recovery_codes import RecoveryCodeHasher
from auth.settings import Settings
from webcommon.encryption import SecretVault
from webcommon.keys import derive_key


def make_second_factors(settings: Settings) -> SecondFactors:
    secret = settings.secret.get_secret_value()
    return SecondFactors(
        vault=SecretVault(derive_key(secret, "second factors")),
        recovery_codes=RecoveryCodeHasher(derive_key(secret, "recovery codes")),
        name=settings.display_name,
    )
