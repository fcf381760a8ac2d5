"""`python -m l2p.question_sets.reading_process fail|skip`: reads a file from the standard input.

Writes a line of JSON, then the questions. Imports the standard library alone, so that it starts quickly.
"""

import json
import sys
from dataclasses import asdict

from l2p.question_sets.reading import read_file
from l2p.question_sets.rows import FileRefused


def main() -> None:
    """Read, and write what was found."""
    try:
        found = asdict(
            read_file(sys.stdin.buffer.read(), on_error="skip" if sys.argv[1] == "skip" else "fail")
        )
        questions = found.pop("questions")
    except FileRefused as refusal:
        found, questions = {"faults": [asdict(fault) for fault in refusal.faults]}, ""
    sys.stdout.buffer.write(json.dumps(found).encode() + b"\n" + questions.encode())


if __name__ == "__main__":
    main()
