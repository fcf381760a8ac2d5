"""`.env` of the current folder."""

import io
from pathlib import Path

from dotenv.parser import parse_stream

from quartet.errors import WrongSettings


def read_dotenv(path: Path) -> dict[str, str]:
    """The names and values of a file, empty ones too; none when it is not there. Raises WrongSettings."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WrongSettings(f"{path} cannot be read ({error.strerror}): fix its mode") from None
    except UnicodeDecodeError:
        raise WrongSettings(f"{path} is not UTF-8: save it as UTF-8") from None
    # Not interpolated: a password may hold a dollar sign.
    bindings = list(parse_stream(io.StringIO(text)))
    wrong = [each.original.line for each in bindings if each.error or (each.key and each.value is None)]
    if wrong:
        raise WrongSettings(
            "\n".join(
                f"{path}, line {line}: not of the form NAME=value; correct or remove it" for line in wrong
            )
        )
    return {each.key: each.value or "" for each in bindings if each.key}
