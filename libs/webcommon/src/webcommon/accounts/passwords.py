"""Password hashing: argon2id, off the event loop, never more at once than there are cores.

Needs the extra `passwords` of this package. Parameters: OWASP's password storage recommendation (m=19 MiB, t=2, p=1).
"""

import os
import secrets
import unicodedata

import anyio.to_thread
from anyio import CapacityLimiter
from passlib.context import CryptContext

MEMORY_KIB = 19 * 1024
TIME_COST = 2
PARALLELISM = 1

_BCRYPT_BYTES = 72


def normalize_password(password: str) -> str:
    """NFC, so that the same characters typed on two keyboards are the same password (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)


class PasswordHasher:
    """Hashes and verifies on threads. One per application; its limiter bounds memory and CPU.

    Other costs than the recommended ones are for tests, most of which are not about hashing.
    """

    def __init__(
        self, *, cores: int | None = None, memory_kib: int = MEMORY_KIB, time_cost: int = TIME_COST
    ) -> None:
        self._limiter = CapacityLimiter(cores or os.cpu_count() or 1)
        self._context = CryptContext(
            schemes=["argon2", "bcrypt"],
            deprecated=["bcrypt"],
            argon2__type="ID",
            argon2__memory_cost=memory_kib,
            argon2__time_cost=time_cost,
            argon2__parallelism=PARALLELISM,
        )
        self._decoy = self._context.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """An argon2id hash of the normalized password."""
        return await anyio.to_thread.run_sync(
            self._context.hash, normalize_password(password), limiter=self._limiter
        )

    async def verify(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        """Whether the password is right, and a new hash when the stored one is outdated.

        Without a stored hash a decoy is verified, so that an unknown account takes as long as a known one.
        """
        return await anyio.to_thread.run_sync(
            self._verify, normalize_password(password), password_hash, limiter=self._limiter
        )

    def _verify(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        try:
            valid = password_hash is not None and self._fits(
                _cut(password, password_hash=password_hash), password_hash
            )
        except ValueError:
            # An unknown hash (`!` of an imported, locked account), or one that cannot belong to this password.
            password_hash = None
        if password_hash is None:
            # The same work on a fixed text, since the given one may be refused for its length.
            self._fits("decoy", self._decoy)
            return False, None
        outdated = valid and self._context.needs_update(password_hash)
        return valid, self._context.hash(password) if outdated else None

    def _fits(self, password: str | bytes, password_hash: str) -> bool:
        """The costly part of a verification, separate so that tests can count it."""
        return bool(self._context.verify(password, password_hash))


def _cut(password: str, *, password_hash: str) -> str | bytes:
    # bcrypt ignores all after the 72nd byte; its library now raises instead.
    return password.encode()[:_BCRYPT_BYTES] if password_hash.startswith("$2") else password
