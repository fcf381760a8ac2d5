"""Reads files without holding up the event loop: a small one at once, another in a process of its own.

A thread would not do: parsing JSON keeps the interpreter's lock, so that all games of this process would wait.
"""

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from l2p.question_sets.errors import FileUnreadable, ImportTooSlow
from l2p.question_sets.reading import OnError, ReadSet, read_file
from l2p.question_sets.rows import FileRefused, Note

LARGEST_AT_ONCE = 1024
"""Bytes of a file that is read in about a millisecond."""

LONGEST_SECONDS = 20.0
"""How long reading a file may take."""

PROCESSES = 2
"""How many files are read at the same time; others wait."""


class FileReader:
    """Reads the files of all requests."""

    def __init__(self, *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        # Each of its threads waits for a process. A request that ends early leaves its process running, and counted.
        self._waiting = ThreadPoolExecutor(PROCESSES, thread_name_prefix="imports")

    async def read(self, content: bytes, *, on_error: OnError) -> ReadSet:
        """The questions of a file. Raises `FileUnreadable` with the rows that are at fault, and `ImportTooSlow`."""
        try:
            if len(content) <= LARGEST_AT_ONCE:
                return read_file(content, on_error=on_error)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._waiting, self._read_in_process, content, on_error)
        except FileRefused as refusal:
            raise FileUnreadable(refusal.faults) from None

    def _read_in_process(self, content: bytes, on_error: OnError) -> ReadSet:
        command = [sys.executable, "-m", "l2p.question_sets.reading_process", on_error]
        try:
            # A session of its own, since Ctrl-C is for the server, which lets requests end.
            done = subprocess.run(  # noqa: S603 - a module of ours, with one of two words
                command,
                input=content,
                stdout=subprocess.PIPE,
                timeout=self._longest_seconds,
                start_new_session=True,
                check=True,
            )
        except subprocess.TimeoutExpired:
            raise ImportTooSlow("Split the file, or try again.") from None
        head, _, questions = done.stdout.partition(b"\n")
        found: dict[str, Any] = json.loads(head)
        if "faults" in found:
            raise FileRefused(*(Note(**fault) for fault in found["faults"]))
        warnings = [Note(**warning) for warning in found.pop("warnings")]
        return ReadSet(**found, warnings=warnings, questions=questions.decode())
