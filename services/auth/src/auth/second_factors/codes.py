"""Using up the code that someone typed: one of the app, or a recovery code."""

import logging
import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.keys.encryption import CannotDecrypt, KeyVault
from auth.second_factors import repository
from auth.second_factors.recovery_codes import RecoveryCodeHasher, read_code
from auth.second_factors.totp import DIGITS, find_step

logger = logging.getLogger(__name__)

_APP_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")


@dataclass(frozen=True, kw_only=True)
class SecondFactors:
    """What second factors are made and checked with. `name` is what an app shows beside its codes."""

    vault: KeyVault
    recovery_codes: RecoveryCodeHasher
    name: str

    def encrypt(self, secret: bytes, *, user_id: UUID) -> bytes:
        """The secret as it is stored, bound to the account."""
        return self.vault.encrypt(secret, kid=f"totp {user_id}")

    def decrypt(self, stored: bytes, *, user_id: UUID) -> bytes | None:
        """The secret of an account; None, which the log tells, when this service did not encrypt it for that account."""
        try:
            return self.vault.decrypt(stored, kid=f"totp {user_id}")
        except CannotDecrypt:
            logger.warning("the second factor of account %s was encrypted under another AUTH_SECRET", user_id)
            return None


def read_app_code(typed: str) -> str | None:
    """The six digits; apps show them in two groups. None for what is no such code."""
    text = "".join(typed.split())
    return text if _APP_CODE.fullmatch(text) else None


async def use_app_code(db: AsyncSession, user_id: UUID, typed: str, *, factors: SecondFactors) -> bool:
    """Use a code of the app up; False when it is wrong, too old or used. The account's row is to be locked."""
    code = read_app_code(typed)
    stored = None if code is None else await repository.find_confirmed_secret(db, user_id)
    if code is None or stored is None:
        return False
    secret = factors.decrypt(stored, user_id=user_id)
    step = None if secret is None else find_step(secret, code)
    return step is not None and await repository.use_step(db, user_id, step=step)


async def use_recovery_code(db: AsyncSession, user_id: UUID, typed: str, *, factors: SecondFactors) -> bool:
    """Use a recovery code up; False when it is wrong or used. The account's row is to be locked."""
    characters = read_code(typed)
    if characters is None:
        return False
    code_hash = factors.recovery_codes.hash(characters, user_id=user_id)
    return await repository.use_recovery_code(db, user_id, code_hash=code_hash)
