"""The vectors of docs/videovault-query.md, which every implementation has to give."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[4] / "services/videovault/vectors"


def read_vectors(name: str) -> Any:
    """The content of a file of vectors."""
    return json.loads((FOLDER / f"{name}.json").read_text())
