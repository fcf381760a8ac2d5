"""What the commands that a service publishes in its `commands.py` get from `quartet`, and what they raise.

A service's `commands.group` is a Typer application. `quartet` mounts it, and gives each command a `ServiceAccess` as
`context.obj`; most need only that it is a `RunInTransaction`.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

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


class ServiceAccess(RunInTransaction, Protocol):
    """What `context.obj` is: the same, and the settings that a service's process would get."""

    def settings(self, service: str) -> Any:
        """The settings of a service, whose database answers. Raises a Failure when they are wrong, or it does not."""
        ...
