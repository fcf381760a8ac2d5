"""The signing keys, from the settings."""

from auth.keys.service import Keyring, Rotation
from auth.settings import Settings
from dbcommon.engine import Database
from webcommon.encryption import SecretVault
from webcommon.keys import derive_key


def make_keyring(settings: Settings, *, database: Database) -> Keyring:
    return Keyring(
        database,
        vault=SecretVault(derive_key(settings.secret.get_secret_value(), "signing keys")),
        rotation=Rotation(days=settings.key_rotation_days, publish_seconds=settings.key_publish_seconds),
    )
