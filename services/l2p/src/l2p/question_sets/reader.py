"""Reads files without holding up the event loop: a small one at once, another in a process of its own.

A thread would not do: parsing JSON keeps the interpreter's lock, so that all games of this process would wait.
"""

import asyncio
import json
import logging
import subprocess
import sys
from typing import Any

from l2p.question_sets.errors import FileUnreadable, ImportTooSlow
from l2p.question_sets.reading import OnError, ReadSet, read_file
from l2p.question_sets.rows import FileRefused, Note

logger = logging.getLogger(__name__)

LARGEST_AT_ONCE = 1024
"""Bytes of a file that is read in about a millisecond."""

LONGEST_SECONDS = 20

PROCESSES = 2
"""How many files are read at the same time; others wait."""


class FileReader:
    """Reads the files of all requests."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(PROCESSES)

    async def read(self, content: bytes, *, on_error: OnError) -> ReadSet:
        """The questions of a file. Raises `FileUnreadable` with the rows that are at fault, and `ImportTooSlow`."""
        try:
            if len(content) <= LARGEST_AT_ONCE:
                return read_file(content, on_error=on_error)
            async with self._free:
                return await asyncio.to_thread(_read_in_process, content, on_error)
        except FileRefused as refusal:
            raise FileUnreadable(refusal.faults) from None


def _read_in_process(content: bytes, on_error: OnError) -> ReadSet:
    command = [sys.executable, "-m", "l2p.question_sets.reading_process", on_error]
    try:
        # A session of its own, since Ctrl-C is for the server, which lets requests end.
        done = subprocess.run(  # noqa: S603 - a module of ours, with one of two words
            command,
            input=content,
            capture_output=True,
            timeout=LONGEST_SECONDS,
            start_new_session=True,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise ImportTooSlow("Split the file, or try again.") from None
    except subprocess.CalledProcessError as error:
        logger.error("the reading of a file failed: %s", error.stderr.decode(errors="replace"))  # noqa: TRY400
        raise FileRefused(Note(row=None, detail="cannot be read")) from None
    head, _, questions = done.stdout.partition(b"\n")
    found: dict[str, Any] = json.loads(head)
    if "faults" in found:
        raise FileRefused(*(Note(**fault) for fault in found["faults"]))
    warnings = [Note(**warning) for warning in found.pop("warnings")]
    return ReadSet(**found, warnings=warnings, questions=questions.decode())
