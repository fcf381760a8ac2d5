"""A worker of tests, whose "films" say in a word what harm they do."""

import os
import signal
import tempfile
from collections.abc import Mapping
from typing import Any, BinaryIO

from videovault.media import program


def _obey(file: BinaryIO, _size: int, _seconds: int, given: Mapping[str, Any]) -> tuple[Any, bytes]:
    act = file.read().decode()
    if act == "allocate":
        return len(bytearray(2**32)), b""
    if act == "write":
        with tempfile.TemporaryFile(dir=given["root"], buffering=0) as target:
            target.write(b"something")
    if act == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if act == "wait":
        signal.pause()
    while act == "burn":
        pass
    return {"secrets": [name for name in os.environ if name.startswith("VIDEOVAULT_")]}, b""


if __name__ == "__main__":
    program.CALLS["probe"] = _obey
    program.main()
