"""Reading parameters as RFC 6749, section 3 wants it: none twice, and an empty one is one that was left out."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from fastapi import Request

from auth.standard_clients.errors import OAuthRefusal

FORM = "application/x-www-form-urlencoded"

_MOST = 50


class Repeated(Exception):
    """Some parameters stand more than once; the others were read."""

    def __init__(self, names: frozenset[str], parameters: dict[str, str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = names
        self.parameters = parameters


def parse_parameters(text: str) -> dict[str, str]:
    """The parameters of a query or a form. Raises `Repeated`, and `ValueError` for what is not UTF-8 or too many."""
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST, errors="strict")
    names = [name for name, _ in pairs]
    repeated = frozenset(_find_repeated(names))
    parameters = {name: value for name, value in pairs if value and name not in repeated}
    if repeated:
        raise Repeated(repeated, parameters)
    return parameters


async def read_form_text(request: Request) -> str:
    """A form-encoded body, not yet decoded. Raises `OAuthRefusal`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise OAuthRefusal("invalid_request", f"send the parameters as {FORM}")
    try:
        return (await request.body()).decode("ascii")
    except UnicodeDecodeError:
        raise OAuthRefusal("invalid_request", "the body is not form-encoded") from None


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a form-encoded body. Raises `OAuthRefusal`."""
    try:
        return parse_parameters(await read_form_text(request))
    except Repeated as error:
        raise OAuthRefusal("invalid_request", f"a parameter stands twice: {error}") from None
    except ValueError:
        raise OAuthRefusal("invalid_request", "the body is not form-encoded UTF-8") from None


def _find_repeated(names: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)
