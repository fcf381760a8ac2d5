"""Compressed by zstd, then encrypted to an age recipient: what is written of a backup, and how it is read back."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Protocol, cast

import pyrage
import zstandard
from pyrage.x25519 import Identity, Recipient

from quartet.errors import BackupFailed, DamagedBackup

CHUNK_BYTES = 1024 * 1024
SUFFIX = ".zst.age"
"""Of the name of each sealed object."""

LEVEL = 3


class Sink(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class Sealed:
    """The sealed chunks of a source, to be iterated once. Counts, and hashes what it gives.

    `finish` is called once the source has ended and before the iteration does: it raises when the source was not whole,
    so that nobody takes the beginning of a stream for all of it. `advance` is told the bytes that were read.
    """

    def __init__(
        self,
        source: IO[bytes],
        recipient: Recipient,
        *,
        finish: Callable[[], None] = lambda: None,
        advance: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self.bytes = 0
        self.stored_bytes = 0
        self._source = source
        self._recipient = recipient
        self._finish = finish
        self._advance = advance
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of the chunks so far, in hexadecimal."""
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Read the source, for the compressor."""
        data = self._source.read(size)
        self.bytes += len(data)
        self._advance(len(data))
        return data

    def __iter__(self) -> Iterator[bytes]:
        # age encrypts from a file into a file: in a thread, through a pipe.
        reading, writing = os.pipe()
        faults: list[Exception] = []
        thread = threading.Thread(target=self._encrypt, args=(writing, faults), name="sealing")
        thread.start()
        with os.fdopen(reading, "rb", buffering=CHUNK_BYTES) as sealed:
            while chunk := sealed.read(CHUNK_BYTES):
                self.stored_bytes += len(chunk)
                self._hash.update(chunk)
                yield chunk
        thread.join()
        if faults:
            raise BackupFailed(f"the stream could not be sealed ({faults[0]}): try again") from faults[0]
        self._finish()

    def _encrypt(self, writing: int, faults: list[Exception]) -> None:
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=1)
        try:
            with os.fdopen(writing, "wb", buffering=CHUNK_BYTES) as sink:
                pyrage.encrypt_io(
                    compressor.stream_reader(cast(IO[bytes], self), read_size=CHUNK_BYTES),
                    sink,
                    [self._recipient],
                )
        except Exception as error:
            faults.append(error)


class Counted:
    """A sink whose bytes are told to `advance`."""

    def __init__(self, sink: Sink, advance: Callable[[int], None]) -> None:
        self._sink = sink
        self._advance = advance

    def write(self, data: bytes, /) -> None:
        """Write, then tell."""
        self._sink.write(data)
        self._advance(len(data))


def unseal(
    chunks: Iterable[bytes], sink: Sink, identities: list[Identity], *, name: str, sha256: str | None = None
) -> None:
    """Decrypt and decompress into `sink`, whose own errors are raised as they are.

    Raises DamagedBackup for a wrong key and for a byte that is not as it was. What came before that byte was written, and
    never the whole: the last piece is held back until all is known to be as it was.
    """
    source, target = _Chunks(chunks), _Watched(sink)
    decompressor = zstandard.ZstdDecompressor()
    try:
        with decompressor.stream_writer(cast(IO[bytes], target), closefd=False) as writer:
            pyrage.decrypt_io(source, writer, identities)
    except Exception as error:
        for own in (target.fault, source.fault):
            if own is not None:
                raise own from None
        if isinstance(error, pyrage.DecryptError) and "key" in str(error).lower():
            raise DamagedBackup(
                f"{name} is encrypted to another key: give the identity that goes with its recipient by --identity"
            ) from error
        raise DamagedBackup(f"{name} is damaged ({error}): take an older backup") from error
    if sha256 is not None and source.sha256 != sha256:
        raise DamagedBackup(f"{name} is not what its manifest says it is: take an older backup")
    target.flush_last()


class _Chunks:
    """An iterator of chunks as a file to read, hashed on the way."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.fault: Exception | None = None
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        for chunk in self._chunks:  # age may end before the object does
            self._hash.update(chunk)
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            try:
                chunk = next(self._chunks, b"")
            except Exception as error:
                self.fault = error
                raise
            self._hash.update(chunk)
            self._rest = memoryview(chunk)
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)


class _Watched:
    """A sink that is one piece late, and remembers what it raised, since age tells only that something was."""

    def __init__(self, sink: Sink) -> None:
        self.fault: Exception | None = None
        self._sink = sink
        self._last = b""

    def write(self, data: bytes, /) -> int:
        if data:
            try:
                self.flush_last()
            except Exception as error:
                self.fault = error
                raise
            self._last = bytes(data)
        return len(data)

    def flush_last(self) -> None:
        self._sink.write(self._last)
        self._last = b""
