"""`python -m payment.receipts.pdf_process`: makes PDFs until its input ends.

Reads a length (4 bytes) and the JSON of a receipt, and writes a length and the PDF, again and again. An error ends it.
"""

import json
import os
import sys

from payment.receipts.content import LENGTH_BYTES, Receipt
from payment.receipts.pdf import make_pdf

_NICENESS = 5
"""Requests come first where there are fewer cores than work."""


def main() -> None:
    """Read, make and write."""
    os.nice(_NICENESS)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while length := source.read(LENGTH_BYTES):
        given = json.loads(source.read(int.from_bytes(length)))
        pdf = make_pdf(Receipt.of(given))
        target.write(len(pdf).to_bytes(LENGTH_BYTES) + pdf)
        target.flush()


if __name__ == "__main__":
    main()
