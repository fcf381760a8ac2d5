"""A group of commands that imports a command's module only when that command is called.

`quartet --help` needs only a summary beside each name, and must not wait for Alembic's import.
"""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class Entry:
    """A command: `module:name` of a function or a group, and its one line of help."""

    target: str
    summary: str
    hidden: bool = False


class LazyGroup(TyperGroup):
    """Lists the entries, and imports only the one that is called."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in self.entries.items():
            self.commands[name] = TyperCommand(name=name, help=entry.summary, hidden=entry.hidden)
        self._is_listing = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; while help is printed, a stand-in with its summary."""
        if self._is_listing or cmd_name not in self.entries:
            return super().get_command(ctx, cmd_name)
        return _load(cmd_name, self.entries[cmd_name])

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, none of which is imported."""
        self._is_listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._is_listing = False


def lazy_group(entries: Mapping[str, Entry], *, help: str) -> typer.Typer:  # noqa: A002  Typer's own word
    """A Typer application of those commands."""
    group_class = type("Commands", (LazyGroup,), {"entries": entries})
    application = typer.Typer(
        cls=group_class,
        help=_reflowed(help),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(_nothing)
    return application


def _nothing() -> None:
    pass


def _load(name: str, entry: Entry) -> Any:
    module, _, attribute = entry.target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
        single.command(name, help=inspect.getdoc(found) or entry.summary)(found)
        found = single
    for each in found.registered_commands:
        each.help = _reflowed(each.help or inspect.getdoc(each.callback) or "")
    command = typer.main.get_command(found)
    command.name = name
    return command


def _reflowed(text: str) -> str:
    """A docstring with each paragraph in one line, which the terminal then wraps to its own width."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
