"""Verifying a code: one of the app, or a recovery code. Each works once."""

import logging
import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.second_factors import repository
from auth.second_factors.recovery_codes import RecoveryCodeHasher, parse_recovery_code
from auth.second_factors.totp import DIGITS, find_step
from webcommon.encryption import CannotDecrypt, SecretVault

logger = logging.getLogger(__name__)

_APP_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")


@dataclass(frozen=True, kw_only=True)
class SecondFactors:
    """The keys of second factors. `name` is the issuer that an app shows beside its codes."""

    vault: SecretVault
    recovery_codes: RecoveryCodeHasher
    name: str

    def encrypt(self, secret: bytes, *, user_id: UUID) -> bytes:
        """The secret as it is stored: encrypted, and bound to the account."""
        return self.vault.encrypt(secret, context=f"totp {user_id}")

    def decrypt(self, stored: bytes, *, user_id: UUID) -> bytes | None:
        """The secret of an account; None, with a warning, if it was encrypted under another key or for another account."""
        try:
            return self.vault.decrypt(stored, context=f"totp {user_id}")
        except CannotDecrypt:
            logger.warning("the second factor of account %s was encrypted under another AUTH_SECRET", user_id)
            return None


def parse_app_code(typed: str) -> str | None:
    """The six digits, without spaces, since apps show two groups; None for any other text."""
    text = "".join(typed.split())
    return text if _APP_CODE.fullmatch(text) else None


async def use_app_code(db: AsyncSession, user_id: UUID, typed: str, *, factors: SecondFactors) -> bool:
    """Use up a code of the app; False if it is wrong, old or used. Lock the account before."""
    code = parse_app_code(typed)
    stored = None if code is None else await repository.find_confirmed_secret(db, user_id)
    if code is None or stored is None:
        return False
    secret = factors.decrypt(stored, user_id=user_id)
    step = None if secret is None else find_step(secret, code)
    return step is not None and await repository.use_step(db, user_id, step=step)


async def use_recovery_code(db: AsyncSession, user_id: UUID, typed: str, *, factors: SecondFactors) -> bool:
    """Use up a recovery code; False if it is wrong or used. Lock the account before."""
    characters = parse_recovery_code(typed)
    if characters is None:
        return False
    code_hash = factors.recovery_codes.hash(characters, user_id=user_id)
    return await repository.use_recovery_code(db, user_id, code_hash=code_hash)
