"""`quartet config`: the settings in effect."""

from typing import Annotated

import typer

from quartet.cli.output import JsonOption, load_checked_settings, print_json, print_table
from quartet.errors import NotFound
from quartet.settings import OperatorSettings, load_settings
from quartet.settings.effective import Effective, find_effective
from quartet.settings.example import environment_example

config = typer.Typer(
    help="""Show the settings in effect, secrets hidden: name, value, where it comes from.

    Sources, the first wins: given (the environment, then `.env`), file (NAME_FILE), generated (QUARTET_HOME/secrets.env),
    derived from another setting or from the embedded server, default.

    Example: quartet config get AUTH_DB_PASSWORD

    Exit codes: 0 · 2 an unknown setting is set · 13 no such setting, or it has no value
    """,
    invoke_without_command=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
HIDDEN = "***"


@config.callback()
def show(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Print every setting, unless a command is given."""
    if context.invoked_subcommand is not None:
        return
    settings = load_checked_settings()
    shown = [(name, *_shown(settings, name)) for name in settings.known]
    if as_json:
        print_json({name: {"value": value, "source": source} for name, value, source in shown})
    else:
        print_table(
            ("NAME", "VALUE", "SOURCE"), [(name, value or "", source) for name, value, source in shown]
        )


@config.command("get")
def get_value(name: Annotated[str, typer.Argument(help="The setting's name.", show_default=False)]) -> None:
    """Print one setting's bare value, generated secrets too.

    Example: psql "host=127.0.0.1 user=auth_user password=$(quartet config get AUTH_DB_PASSWORD)"

    Exit codes: 0 · 13 no such setting, or it has no value
    """
    value = find_effective(load_settings(check=False), name).value
    if value is None:
        raise NotFound(
            f"{name} has no value: set it, or let `quartet up` generate it if it is a secret of the stack"
        )
    typer.echo(value)


@config.command("example", hidden=True)
def print_example() -> None:
    """Print `.env.example`: every setting with its default, commented out."""
    typer.echo(environment_example(load_settings(check=False).known.values()), nl=False)


def _shown(settings: OperatorSettings, name: str) -> Effective:
    found = find_effective(settings, name)
    is_hidden = settings.known[name].secret and found.value is not None
    return found._replace(value=HIDDEN) if is_hidden else found
