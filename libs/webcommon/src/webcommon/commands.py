"""What the commands that a service publishes in its `commands.py` get from `quartet`, and what they raise.

A service's `commands.group` is a Typer application. `quartet` mounts it, and gives each command a `RunInTransaction` as
`context.obj`.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:  # `quartet --help` imports this module, and not SQLAlchemy
    from sqlalchemy.ext.asyncio import AsyncSession

Result = TypeVar("Result")


class Failure(Exception):
    """Ends a command with an exit code and one line: what happened, then the way out."""

    exit_code: ClassVar[int] = 1


class NotFound(Failure):
    """What was asked for is not there."""

    exit_code = 13


class RunInTransaction(Protocol):
    """Runs work in one transaction on a service's database, as its runtime role."""

    def __call__(self, service: str, work: "Callable[[AsyncSession], Awaitable[Result]]") -> Result:
        """Give what `work` gives, once that is committed. Raises a Failure when the database refuses or does not answer."""
        ...
