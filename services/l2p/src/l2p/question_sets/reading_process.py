"""`python -m l2p.question_sets.reading_process fail|skip`: reads a file from the standard input.

Writes a line of JSON, then the questions. Imports the standard library alone, so that it starts quickly.
"""

import json
import resource
import sys
from dataclasses import asdict

from l2p.question_sets.reading import read_file
from l2p.question_sets.rows import FileRefused, Note

MEMORY = 1024 * 1024 * 1024
"""Bytes that may be used: a few megabytes of brackets make millions of lists."""


def main() -> None:
    """Read, and write what was found."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        found = asdict(
            read_file(sys.stdin.buffer.read(), on_error="skip" if sys.argv[1] == "skip" else "fail")
        )
        questions = found.pop("questions")
    except FileRefused as refusal:
        found, questions = {"faults": [asdict(fault) for fault in refusal.faults]}, ""
    except MemoryError:
        too_large = Note(row=None, detail="takes too much memory to read")
        found, questions = {"faults": [asdict(too_large)]}, ""
    sys.stdout.buffer.write(json.dumps(found).encode() + b"\n" + questions.encode())


if __name__ == "__main__":
    main()
