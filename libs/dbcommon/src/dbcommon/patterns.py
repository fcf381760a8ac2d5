"""Patterns of `LIKE` and `ILIKE`."""


def containing(search: str) -> str:
    r"""The pattern of texts with `search` in them; the statement says `ESCAPE '\'`."""
    escaped = search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
