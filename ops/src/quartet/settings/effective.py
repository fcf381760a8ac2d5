"""The value of a setting and its source, for an operator to see; an unset one may be derived from another."""

from typing import NamedTuple

from quartet.errors import NotFound
from quartet.settings.operator import ISSUERS, OperatorSettings
from webcommon.settings import default_jwks_url, default_revocations_url

EMBEDDED = "embedded server"


class Effective(NamedTuple):
    """A value, None where there is none, and its source."""

    value: str | None
    source: str


def find_effective(settings: OperatorSettings, name: str) -> Effective:
    """The value and the source of a setting. Raises NotFound for a name that is no setting."""
    value = settings.value(name)
    if name in settings.explicit:
        return Effective(value, "given")
    if f"{name}_FILE" in settings.explicit:
        return Effective(value, "file")
    if name in settings.generated:
        return Effective(value, "generated")
    return _find_derived(settings, name) or Effective(value, "" if value is None else "default")


def _find_derived(settings: OperatorSettings, name: str) -> Effective | None:
    """A value derived from another setting, or from the server of `quartet up`."""
    if name in ISSUERS:
        port = f"{ISSUERS[name].upper()}_PORT"
        return Effective(settings.value(name), port) if port in settings.explicit else None
    if name == "AUTH_JWKS_URL" and settings.followed_jwks_url:
        return Effective(settings.followed_jwks_url, "AUTH_HOST, AUTH_PORT")
    if name == "AUTH_JWKS_URL":
        return Effective(default_jwks_url(settings.value("AUTH_ISSUER") or ""), "AUTH_ISSUER")
    if name == "AUTH_REVOCATIONS_URL":
        keys, issuer = find_effective(settings, "AUTH_JWKS_URL").value, settings.value("AUTH_ISSUER")
        return Effective(default_revocations_url(keys or "", auth_issuer=issuer or ""), "AUTH_JWKS_URL")
    if name == "POSTGRES_HOST":
        return Effective("127.0.0.1", EMBEDDED)
    if name == "POSTGRES_PORT":
        return _find_port(settings)
    return None


def _find_port(settings: OperatorSettings) -> Effective:
    """The port of the embedded server, which is known after its first start."""
    if "POSTGRES_HOST" in settings.explicit:
        return Effective(str(settings.server().port), "default")
    try:
        return Effective(str(settings.server().port), EMBEDDED)
    except NotFound:
        return Effective(None, EMBEDDED)
