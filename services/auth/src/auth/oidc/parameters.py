"""Parameters of requests (RFC 6749, section 3): none may be repeated, and an empty one counts as omitted."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from fastapi import Request

from auth.oidc.errors import OAuthRefusal

FORM = "application/x-www-form-urlencoded"

_MOST = 50

# fmt: off
_KNOWN = frozenset({
    "client_id", "client_secret", "code", "code_challenge", "code_challenge_method", "code_verifier", "grant_type",
    "login_hint", "max_age", "nonce", "prompt", "redirect_uri", "refresh_token", "response_mode", "response_type",
    "scope", "state", "token", "token_type_hint",
})
# fmt: on


class RepeatedParameters(Exception):
    """Some parameters are repeated. `parameters` are the others."""

    def __init__(self, names: frozenset[str], parameters: dict[str, str]) -> None:
        super().__init__(describe_repeated(names))
        self.names = names
        self.parameters = parameters


def describe_repeated(names: frozenset[str]) -> str:
    """The error's description. It names known parameters only: other names can have forbidden characters (RFC 6749, 5.2)."""
    known = ", ".join(sorted(names & _KNOWN))
    return f"a parameter is repeated: {known}" if known else "a parameter is repeated"


def parse_parameters(text: str) -> dict[str, str]:
    """The parameters of a query or a form. Raises `RepeatedParameters`, and `ValueError` for invalid UTF-8 or too many."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the parameters are not form-encoded UTF-8") from None
    except ValueError:
        raise ValueError(f"there are more than {_MOST} parameters") from None
    names = [name for name, _ in pairs]
    repeated = frozenset(_find_repeated(names))
    parameters = {name: value for name, value in pairs if value and name not in repeated}
    if repeated:
        raise RepeatedParameters(repeated, parameters)
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
    except (RepeatedParameters, ValueError) as error:
        raise OAuthRefusal("invalid_request", str(error)) from None


def _find_repeated(names: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)
