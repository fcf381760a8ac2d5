"""The tree of a service's errors, drawn from its classes, for a test to compare with."""

import importlib
from collections.abc import Iterator

from webcommon.api.problems import Problem


def draw_error_tree(service: str) -> str:
    """A line for each problem that the package `service` defines, below its base classes, sorted by name.

    Beside each stand the status and the slug that it is answered with; a base class has neither.
    """
    importlib.import_module(f"{service}.main")
    return "\n".join([Problem.__name__, *_draw_children(Problem, service)])


def _draw_children(base: type[Problem], service: str) -> Iterator[str]:
    children = sorted(
        (child for child in base.__subclasses__() if _is_shown(child, service)),
        key=lambda child: child.__name__,
    )
    for child in children:
        is_last = child is children[-1]
        yield ("└── " if is_last else "├── ") + _describe(child)
        for line in _draw_children(child, service):
            yield ("    " if is_last else "│   ") + line


def _is_shown(problem: type[Problem], service: str) -> bool:
    return _is_of(problem, service) or any(_is_shown(child, service) for child in problem.__subclasses__())


def _is_of(problem: type[Problem], service: str) -> bool:
    return problem.__module__.partition(".")[0] == service


def _describe(problem: type[Problem]) -> str:
    if problem.__subclasses__():
        return problem.__name__
    return f"{problem.__name__}: {problem.status} {problem.slug}"
