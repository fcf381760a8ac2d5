"""The keyring: this process's copy of the signing keys, reloaded regularly so that replicas agree."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jose.backends.base import Key
from sqlalchemy.exc import DBAPIError

from auth.audit.repository import record_event
from auth.keys import repository
from auth.keys.errors import KeysNotReady
from auth.keys.material import load_private_key, make_key_pair, sign_claims
from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.periodic import run_every
from dbcommon.rows import AnyRow
from dbcommon.schedule import Schedule
from dbcommon.shared_call import SharedCall
from webcommon.auth.jwks import KeysUnavailable, build_keys
from webcommon.encryption import CannotDecrypt, SecretVault

logger = logging.getLogger(__name__)

RELOAD_SECONDS = 5.0
"""Interval of reloads: the latest delay until a key of another replica is known here."""

RETRY_SECONDS = 1.0
"""Interval of reloads while the keys cannot be read."""

UNKNOWN_KID_SECONDS = 10.0
"""The shortest interval between two reloads that unknown key ids cause."""


VERIFIES_FOR = timedelta(minutes=16)
"""A retired key stays published for this long: the lifetime of an access token, and a minute for clock differences."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """`days`: the age at which a key gets a successor. `publish_seconds`: how long that one is published before it signs.

    The default is longer than copies of the keys live: five minutes in HTTP caches, and five in a service.
    """

    days: float = 30
    publish_seconds: float = 900

    def is_due(self, row: AnyRow, now: datetime) -> bool:
        """Whether this key, the newest, needs a successor."""
        return bool(row.is_due) or now - row.active_from > timedelta(days=self.days)


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A private key, and when it signs."""

    kid: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    active_from: datetime
    retired_at: datetime | None

    def sign(self, claims: Mapping[str, Any], *, token_type: str) -> str:
        """A token with these claims; `token_type` is the `typ` of its header."""
        return sign_claims(claims, token_type=token_type, kid=self.kid, key=self.key)

    def is_active(self, now: datetime) -> bool:
        """Whether it signs at this time."""
        return self.active_from <= now and (self.retired_at is None or now < self.retired_at)


@dataclass(frozen=True, kw_only=True)
class KeySet:
    """The keys as last read: the published JWKs, their verifiers, and the signers (oldest first)."""

    documents: tuple[dict[str, Any], ...] = ()
    verifiers: dict[str, Key] = field(default_factory=dict)
    signers: tuple[Signer, ...] = ()
    rotation_is_due: bool = False

    def choose_signer(self, now: datetime) -> Signer | None:
        """The newest active signer. If none is active yet, since clocks differ, the one that is active first."""
        active = [signer for signer in self.signers if signer.is_active(now)]
        if active:
            return active[-1]
        return next((signer for signer in self.signers if signer.active_from > now), None)


class Keyring:
    """The signing keys. Generates the first one and the successors, signs with the newest active one, and verifies with all
    published ones."""

    def __init__(self, database: Database, *, vault: SecretVault, rotation: Rotation | None = None) -> None:
        self._rotation = rotation or Rotation()
        self._database = database
        self._vault = vault
        self._keys = KeySet()
        self._reloaded_at = float("-inf")
        self._loading = SharedCall(self._read)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reload the keys while the block runs. Waits in the background for a database that is not there yet."""
        schedule = Schedule(seconds=RELOAD_SECONDS, retry_seconds=RETRY_SECONDS, at_once=True)
        try:
            # `KeysUnavailable` is not logged: /readyz reports an unreachable database or pending migrations.
            async with run_every(
                schedule,
                self._loading.ask,
                name="the reload of the signing keys",
                expected=(KeysUnavailable,),
            ):
                yield
        finally:
            await self._loading.close()

    async def find_key(self, kid: str) -> Key | None:
        """The public key with this id. An unknown id causes a reload, at most every `UNKNOWN_KID_SECONDS`.

        Raises `KeysUnavailable` if no key is known and none can be read.
        """
        key = self._keys.verifiers.get(kid)
        if key is None and self._may_reload():
            await self._loading.ask()
            key = self._keys.verifiers.get(kid)
        return key

    async def choose_signer(self) -> Signer:
        """The key that signs now. Raises `KeysNotReady` if none could be read yet."""
        signer = self._keys.choose_signer(datetime.now(UTC))
        if signer is None:
            await self._load_or_refuse()
            signer = self._keys.choose_signer(datetime.now(UTC))
        if signer is None:
            raise KeysNotReady
        return signer

    async def read_documents(self) -> tuple[dict[str, Any], ...]:
        """The public keys as JWKs. Raises `KeysNotReady` if none could be read yet."""
        if not self._keys.documents:
            await self._load_or_refuse()
        return self._keys.documents

    def _may_reload(self) -> bool:
        now = time.monotonic()
        if self._keys.documents and now - self._reloaded_at < UNKNOWN_KID_SECONDS:
            return False
        self._reloaded_at = now
        return True

    async def _load_or_refuse(self) -> None:
        try:
            await self._loading.ask()
        except KeysUnavailable:
            raise KeysNotReady from None

    async def _read(self) -> None:
        try:
            keys = await self._read_published()
            if keys.choose_signer(datetime.now(UTC)) is None:
                keys = await self._make_first_key()
            elif keys.rotation_is_due:
                keys = await self._make_successor()
        except (DatabaseError, DBAPIError) as error:
            raise KeysUnavailable(str(error)) from error
        self._keys = keys

    async def _read_published(self) -> KeySet:
        async with self._database.transaction() as db:
            return self._decrypt(await repository.find_published(db))

    async def _make_first_key(self) -> KeySet:
        async with self._database.transaction() as db:
            await repository.lock_keys(db)
            keys = self._decrypt(await repository.find_published(db))
            if keys.choose_signer(datetime.now(UTC)) is not None:
                return keys
            pair = make_key_pair()
            await repository.insert_key(
                db,
                kid=pair.kid,
                public_jwk=pair.public_jwk,
                private_key=self._vault.encrypt(pair.private_key, context=pair.kid),
            )
            logger.info("generated signing key %s", pair.kid)
            return self._decrypt(await repository.find_published(db))

    async def _make_successor(self) -> KeySet:
        async with self._database.transaction() as db:
            await repository.lock_keys(db)
            keys = self._decrypt(await repository.find_published(db))
            if not keys.rotation_is_due:
                return keys  # another replica generated it
            pair = make_key_pair()
            active_from = await repository.insert_successor(
                db,
                kid=pair.kid,
                public_jwk=pair.public_jwk,
                private_key=self._vault.encrypt(pair.private_key, context=pair.kid),
                after=timedelta(seconds=self._rotation.publish_seconds),
            )
            await repository.retire(db, successor=pair.kid, at=active_from, verifies_for=VERIFIES_FOR)
            await record_event(db, "keys_rotated", user_id=None)
            logger.info("published signing key %s; it signs from %s", pair.kid, active_from.isoformat())
            return self._decrypt(await repository.find_published(db))

    def _decrypt(self, rows: Sequence[AnyRow]) -> KeySet:
        documents = tuple(row.public_jwk for row in rows)
        signers = [signer for row in rows if (signer := self._load_signer(row)) is not None]
        return KeySet(
            documents=documents,
            verifiers=build_keys({"keys": list(documents)}),
            signers=tuple(signers),
            rotation_is_due=bool(rows) and self._rotation.is_due(rows[-1], datetime.now(UTC)),
        )

    def _load_signer(self, row: AnyRow) -> Signer | None:
        try:
            private_key = self._vault.decrypt(row.private_key, context=row.kid)
        except CannotDecrypt:
            # After a change of AUTH_SECRET its tokens can still be verified, and another key signs.
            logger.warning("signing key %s was encrypted under another secret, so it only verifies", row.kid)
            return None
        return Signer(
            kid=row.kid,
            key=load_private_key(private_key),
            active_from=row.active_from,
            retired_at=row.retired_at,
        )
