"""Where backups are kept: a folder, or a prefix of an S3 bucket. An object is there whole or not at all."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from quartet.errors import BackupFailed, DiskFull, Failure, NotFound, WrongSettings
from quartet.postgres.error_messages import FULL_DISK
from quartet.settings import OperatorSettings

if TYPE_CHECKING:
    from obstore.store import S3Config  # only its types have it

Store: TypeAlias = LocalStore | S3Store

READ_BYTES = 1024 * 1024
PART_BYTES = 16 * 1024 * 1024
"""Of an upload in parts: S3 takes 10,000 of them, hence objects up to 160 GB."""

PARTS_AT_ONCE = 3
PATIENCE = timedelta(seconds=30)
"""How long a store that fails is tried again."""

SILENCE = timedelta(seconds=60)
"""How long a request may stand still. In it a part has to be sent: 6 Mbit/s are enough."""

LONGEST_REQUEST = timedelta(days=7)
"""An object is read as fast as a database takes it."""

DEFAULT_FOLDER = "backups"


class Destination:
    """Objects by their paths. Each method raises BackupFailed, or DiskFull, when the store cannot do it."""

    def __init__(self, address: str, store: Store) -> None:
        self.address = address
        self._store = store

    def put(self, path: str, chunks: Iterable[bytes]) -> None:
        """Store an object. When `chunks` raises, its error is raised and neither an object nor an upload stays."""
        sent = 0

        def counted() -> Iterator[bytes]:
            nonlocal sent
            for chunk in chunks:
                sent += len(chunk)
                yield chunk

        with self._faults_told(
            path, missing=BackupFailed(f"{self.address} is not there: make the bucket first")
        ):
            obstore.put(self._store, path, counted(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            stored = obstore.head(self._store, path)["size"]
        # A store may answer 200 to the last request of an upload and tell the failure in the body.
        if stored != sent:
            self.delete([path])
            raise BackupFailed(f"{self.address}/{path} has {stored} bytes of {sent}: try again")

    def read(self, path: str) -> Iterator[bytes]:
        """The chunks of an object. Raises NotFound when there is none."""
        with self._faults_told(path):
            yield from map(bytes, obstore.get(self._store, path).stream(min_chunk_size=READ_BYTES))

    def sizes(self, prefix: str) -> dict[str, int]:
        """The bytes of each object below a prefix, by path."""
        with self._faults_told(prefix):
            return {
                found["path"]: found["size"] for page in obstore.list(self._store, prefix) for found in page
            }

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; one that is not there is passed over."""
        with self._faults_told("its objects"):
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self._store, path)

    def delete_unfinished(self, prefix: str) -> None:
        """Delete what killed writers left in a folder; a bucket's lifecycle rule does that for uploads, which nobody sees."""
        if isinstance(self._store, LocalStore):
            for path in Path(self.address, prefix).rglob("*#*"):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _faults_told(self, path: str, *, missing: Failure | None = None) -> Iterator[None]:
        try:
            yield
        except Failure:
            raise
        except FileNotFoundError:
            raise missing or NotFound(
                f"{self.address} has no {path}: `quartet backup list` shows what there is"
            ) from None
        except (OSError, BaseError) as error:
            told = _first_sentence(error)
            if FULL_DISK.search(str(error)):
                raise DiskFull(
                    f"the disk of {self.address} is full: make room there, or set BACKUP_DESTINATION to another place"
                ) from error
            raise BackupFailed(
                f"{self.address} failed at {path} ({told}): see that it can be reached and written to, then try again"
            ) from error


def open_destination(settings: OperatorSettings, *, silence: timedelta = SILENCE) -> Destination:
    """The place of BACKUP_DESTINATION; in development a folder beside the data without it.

    A request to a bucket may stand still for as long as `silence`. Raises WrongSettings, NoPermission or DiskFull.
    """
    address = settings.value("BACKUP_DESTINATION")
    if address is None:
        if settings.is_production:
            raise WrongSettings(
                "BACKUP_DESTINATION is not set: in production it names where backups go, such as s3://bucket/prefix"
            )
        address = str(settings.home.path / DEFAULT_FOLDER)
    if address.startswith("s3://"):
        return Destination(address.rstrip("/"), _open_bucket(address, settings, silence=silence))
    if "://" in address:
        raise WrongSettings(f"BACKUP_DESTINATION={address}: a folder or s3://bucket/prefix is needed")
    folder = Path(address).expanduser().absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Destination(str(folder), LocalStore(folder, automatic_cleanup=True))


def _open_bucket(address: str, settings: OperatorSettings, *, silence: timedelta) -> S3Store:
    bucket, _, prefix = address.removeprefix("s3://").strip("/").partition("/")
    if not bucket:
        raise WrongSettings(f"BACKUP_DESTINATION={address}: the bucket's name is missing")
    endpoint = settings.value("AWS_ENDPOINT_URL")
    if endpoint and not re.fullmatch(r"https?://[^/]+/?", endpoint):
        raise WrongSettings(f"AWS_ENDPOINT_URL={endpoint}: https://host or http://host:port is needed")
    config: S3Config = {"region": settings.value("AWS_REGION") or "us-east-1"}
    if endpoint:
        config["endpoint"] = endpoint
    if key := settings.value("AWS_ACCESS_KEY_ID"):
        config["access_key_id"] = key
    if secret := settings.value("AWS_SECRET_ACCESS_KEY"):
        config["secret_access_key"] = secret
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": silence,
            "timeout": LONGEST_REQUEST,
        },
        retry_config={"max_retries": 6, "retry_timeout": PATIENCE},
    )


def _first_sentence(error: Exception) -> str:
    # The library adds the whole response and its own debug text.
    told = re.split(r":? <\?xml|\n|Debug source", str(error))[0]
    return told.strip() or type(error).__name__
