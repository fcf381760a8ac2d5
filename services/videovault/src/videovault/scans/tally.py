"""What a scan counts and lists."""

from collections.abc import Mapping
from typing import Any

from videovault.files.pairing import Pairing
from videovault.files.walking import Trouble
from videovault.scans.schemas import MOST_ERRORS, MOST_GROUPS, Ambiguity, FileError, ScanResult

KEPT = frozenset({"added", "moved", "changed", "returned", "probed"})
"""Counts of what a scan has done, which a process that takes it over goes on counting. It looks at the rest anew."""


class Tally:
    """The result of a scan while it grows."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.result = ScanResult(**{name: value for name, value in result.items() if name in KEPT})

    def count(self, **more: int) -> None:
        """Add to counts."""
        for name, number in more.items():
            setattr(self.result, name, getattr(self.result, name) + number)

    def note(self, trouble: Trouble) -> None:
        """List a file that could not be taken."""
        self.result.error_count += 1
        if len(self.result.errors) < MOST_ERRORS:
            error = FileError(path=trouble.text.rstrip("/") or "/", code=trouble.code, detail=trouble.detail)
            self.result.errors.append(error)

    def note_ambiguity(self, pairing: Pairing) -> None:
        """List videos and files that nothing tells apart."""
        self.result.ambiguous += 1
        if len(self.result.ambiguities) < MOST_GROUPS:
            self.result.ambiguities.append(Ambiguity(missing=pairing.missing, new=pairing.new))

    def as_json(self) -> dict[str, Any]:
        """The result as the database keeps it."""
        return self.result.model_dump()
