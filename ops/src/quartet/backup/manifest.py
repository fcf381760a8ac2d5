"""What a backup consists of, written last: without its manifest there is no backup."""

import hashlib
import json
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from quartet.backup.destination import Destination
from quartet.errors import DamagedBackup

ModelT = TypeVar("ModelT", bound=BaseModel)

FOLDER = "full"
FILE_NAME = "manifest.json"
ID_FORMAT = "%Y%m%dT%H%M%SZ"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableContents(_Entry):
    """A table in the dump's snapshot. `checksum`: the sum of its rows' 64-bit hashes, whatever their order."""

    name: str
    rows: int
    checksum: str


class Part(_Entry):
    """One object. `bytes` are those before compression, `sha256` is of the object as it is stored.

    A base is whole with the WAL up to `end_lsn`, which was written by `ended_at` (the server's clock, UTC).
    """

    kind: Literal["dump", "globals", "base"]
    path: str
    service: str | None = None
    database: str | None = None
    database_bytes: int | None = None
    bytes: int
    stored_bytes: int
    sha256: str
    tables: tuple[TableContents, ...] = ()
    timeline: int | None = None
    end_lsn: str | None = None
    ended_at: datetime | None = None


class Manifest(_Entry):
    """A full backup: when, of which server, and its parts. Times are UTC."""

    id: str
    began_at: datetime
    ended_at: datetime
    server_version: str
    server_major: int
    system_identifier: str
    parts: tuple[Part, ...]

    @property
    def stored_bytes(self) -> int:
        """What the backup takes at its destination."""
        return sum(part.stored_bytes for part in self.parts)

    @property
    def base(self) -> Part | None:
        """The copy of the server's files, if the backup has one."""
        return next((part for part in self.parts if part.kind == "base"), None)

    def dump_of(self, service: str) -> Part | None:
        """The dump of a service's database, if the backup has one."""
        return next((part for part in self.parts if part.kind == "dump" and part.service == service), None)


def folder_of(backup_id: str) -> str:
    """Where the objects of a backup are."""
    return f"{FOLDER}/{backup_id}"


def write_manifest(destination: Destination, manifest: Manifest) -> None:
    """Store a manifest, with its own hash."""
    destination.put(f"{folder_of(manifest.id)}/{FILE_NAME}", [spell_hashed(manifest)])


def read_manifest(destination: Destination, backup_id: str) -> Manifest:
    """The manifest of a backup. Raises NotFound, or DamagedBackup."""
    path = f"{folder_of(backup_id)}/{FILE_NAME}"
    manifest = parse_hashed(Manifest, b"".join(destination.read(path)))
    if manifest is None:
        raise DamagedBackup(f"{destination.address}/{path} is damaged: take another backup")
    return manifest


def spell_hashed(model: BaseModel) -> bytes:
    """A model as JSON with its own hash, by which a changed byte is noticed."""
    fields = model.model_dump(mode="json")
    told = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    return json.dumps({"sha256": told, **fields}, indent=1).encode()


def parse_hashed(kind: type[ModelT], content: bytes) -> ModelT | None:
    """What `spell_hashed` spelt; None when a byte of it has changed."""
    try:
        fields = json.loads(content)
        del fields["sha256"]
        model = kind.model_validate(fields)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return model if spell_hashed(model) == content else None


def list_ids(destination: Destination) -> tuple[list[str], list[str]]:
    """The ids of the backups that have a manifest, the newest first, and the paths of what others left behind."""
    paths = destination.sizes(FOLDER)
    whole = {path.split("/")[1] for path in paths if path.endswith(f"/{FILE_NAME}")}
    return sorted(whole, reverse=True), [path for path in paths if path.split("/")[1] not in whole]
