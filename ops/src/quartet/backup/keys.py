"""Whom a backup is encrypted to, and the identities that decrypt it (age, X25519)."""

from pathlib import Path

import pyrage
from pyrage.x25519 import Identity, Recipient

from quartet.errors import NotFound, WrongSettings
from quartet.settings import OperatorSettings
from quartet.settings.secrets_file import write_privately

IDENTITY_FILE = "backup-identity.txt"


def find_recipient(settings: OperatorSettings) -> Recipient:
    """The recipient of BACKUP_RECIPIENT; in development that of an identity in the state folder, made now if need be.

    Raises WrongSettings, NoPermission or DiskFull.
    """
    told = settings.value("BACKUP_RECIPIENT")
    if told is not None:
        try:
            return Recipient.from_str(told)
        except pyrage.RecipientError as error:
            raise WrongSettings(
                f"BACKUP_RECIPIENT is no age recipient ({error}): it begins with age1"
            ) from None
    if settings.is_production:
        raise WrongSettings(
            "BACKUP_RECIPIENT is not set: make an identity with `age-keygen` elsewhere, keep it there, and give its age1…"
        )
    path = settings.home.path / IDENTITY_FILE
    if not path.exists():
        settings.prepare_home()
        identity = Identity.generate()
        write_privately(path, f"# public key: {identity.to_public()}\n{identity}\n")
    return read_identities(path)[0].to_public()


def find_identities(settings: OperatorSettings, given: Path | None) -> list[Identity]:
    """The identities of a file that was named, or of the state folder's own. Raises NotFound or WrongSettings."""
    path = given or settings.home.path / IDENTITY_FILE
    if not path.is_file():
        raise NotFound(
            f"there is no identity at {path}: give the file of the key that decrypts by --identity"
        )
    return read_identities(path)


def has_identities(settings: OperatorSettings) -> bool:
    """Whether the state folder has the key, as it has in development."""
    return (settings.home.path / IDENTITY_FILE).is_file()


def read_identities(path: Path) -> list[Identity]:
    """The identities of a file as `age-keygen` writes it. Raises WrongSettings."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    try:
        found = [Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise WrongSettings(f"{path} holds no age identity: a line AGE-SECRET-KEY-1… is needed")
    return found
