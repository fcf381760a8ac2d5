"""What a PromQL expression names: metrics, labels, routes. Enough for our own boards and rules, not a parser."""

import re
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(rf"(?<![\w.])({_NAME})(?:{{([^}}]*)}})?(?!\s*\(|[\w:])")
_WORDS = {"bool", "or", "and", "unless", "offset", "inf", "nan"}
_ROUTE = re.compile(r'\broute(=~|=|!~|!=)"((?:[^"\\]|\\.)*)"')
_NEW_LABEL = re.compile(r'label_replace\(.*,\s*"(\w+)",\s*"[^"]*",\s*"\w+",\s*"[^"]*"\)')


@dataclass(frozen=True)
class Named:
    """What an expression names."""

    metrics: dict[str, set[str]]
    """Each with the labels that it is selected by."""

    grouping: set[str]
    """Labels of `by` and `on`."""

    routes: tuple[tuple[str, str], ...]
    """Operator and value of each matcher of `route`."""

    made: set[str]
    """Labels that the expression makes itself."""


def names_of(expression: str) -> Named:
    """The metrics, labels and routes in an expression."""
    bare = _STRING.sub('""', expression)
    grouping = {label for found in _GROUPING.findall(bare) for label in re.findall(_NAME, found)}
    bare = re.sub(r"\[[^\]]*\]", "", _GROUPING.sub(" ", bare))
    metrics: dict[str, set[str]] = {}
    for found in _SELECTOR.finditer(bare):
        if found[1] not in _WORDS:
            metrics.setdefault(found[1], set()).update(re.findall(rf"({_NAME})\s*(?:=|!)", found[2] or ""))
    return Named(metrics, grouping, tuple(_ROUTE.findall(expression)), set(_NEW_LABEL.findall(expression)))
