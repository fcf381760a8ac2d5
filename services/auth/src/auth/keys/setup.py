"""The signing keys, as the settings want them."""

from auth.keys.encryption import KeyVault
from auth.keys.service import Keyring, Rotation
from auth.settings import Settings
from dbcommon.engine import Database
from webcommon.keys import derive_key


def make_keyring(settings: Settings, *, database: Database) -> Keyring:
    """The signing keys of this service."""
    return Keyring(
        database,
        vault=KeyVault(derive_key(settings.secret.get_secret_value(), "signing keys")),
        rotation=Rotation(days=settings.key_rotation_days, publish_seconds=settings.key_publish_seconds),
    )
