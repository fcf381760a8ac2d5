"""Connection strings: `postgresql://user:password@host:port/database[?schema=public&sslmode=…]`.

`DatabaseUrl.parse` reads one, `DatabaseUrl(...)` composes one from parts, and whatever prints either shows the
password as `***` unless `reveal` is called.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

DEFAULT_PORT = 5432

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")

OPTIONS = frozenset(
    {
        "application_name",
        "connect_timeout",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
    }
)
"""The options that are understood, with the meaning libpq gives them (PostgreSQL manual, 34.1.2)."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSION_ATTRIBUTES = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")


class DatabaseUrlError(ValueError):
    """A connection string or one of its parts is wrong. The text names the variable and never holds the password."""


@dataclass(frozen=True, kw_only=True)
class DatabaseUrl:
    """One database, and how to reach it. Raises `DatabaseUrlError` when a part cannot be meant."""

    user: str
    password: str | None = field(default=None, repr=False)
    hosts: tuple[tuple[str, int], ...]
    database: str
    schema: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    variable: str = field(default="the database URL", repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.user:
            raise DatabaseUrlError(
                f"{self.variable}: the user is missing; write postgresql://user:password@host/database"
            )
        if not self.database:
            raise DatabaseUrlError(f"{self.variable}: the database is missing; end the URL with /name")
        if not self.hosts:
            raise DatabaseUrlError(f"{self.variable}: the host is missing")
        if any("\x00" in part for part in (self.user, self.password or "", self.database)):
            raise DatabaseUrlError(f"{self.variable}: a NUL character cannot be part of a name or password")
        if self.schema is not None and not _IDENTIFIER.fullmatch(self.schema):
            raise DatabaseUrlError(f"{self.variable}: schema={self.schema!r} is not an identifier")
        _check_options(self.options, variable=self.variable)

    @classmethod
    def parse(cls, text: str, *, variable: str = "the database URL") -> "DatabaseUrl":
        """The URL that `text` spells; `variable` is the setting to name in an error."""
        if any(character.isspace() for character in text):
            raise DatabaseUrlError(f"{variable}: it holds white space; percent-encode it as %20")
        try:
            parts = urlsplit(text)
        except ValueError:
            # The message of urlsplit may quote the text, and with it the password.
            raise DatabaseUrlError(
                f"{variable}: not a URL; percent-encode the characters :/?#[]@ inside user and password"
            ) from None
        if parts.scheme not in SCHEMES:
            raise DatabaseUrlError(
                f"{variable}: scheme {parts.scheme!r} is not postgresql:// (or postgres://)"
            )
        if parts.fragment:
            raise DatabaseUrlError(f"{variable}: a # must be written as %23")
        credentials, _, host_list = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        if "@" in credentials or "/" in parts.path.removeprefix("/"):
            raise DatabaseUrlError(
                f"{variable}: percent-encode @ as %40 and / as %2F inside user and password"
            )
        query = _parse_query(parts.query, variable=variable)
        schema = query.pop("schema", None)
        return cls(
            user=_unquote(user, variable=variable),
            password=_unquote(password, variable=variable) if password else None,
            hosts=_parse_hosts(host_list, variable=variable),
            database=_unquote(parts.path.removeprefix("/"), variable=variable),
            schema=schema,
            options=query,
            variable=variable,
        )

    def __str__(self) -> str:
        return self._render(password="***" if self.password else None)

    def reveal(self) -> str:
        """The URL with its password, in the form that it was given in."""
        return self._render(password=self.password)

    def reveal_for_libpq(self) -> str:
        """The URL with its password and without `schema=`, which psql and pg_dump do not know."""
        return self._render(password=self.password, with_schema=False)

    def _render(self, *, password: str | None, with_schema: bool = True) -> str:
        credentials = quote(self.user, safe="")
        if password is not None:
            credentials += ":" + (password if password == "***" else quote(password, safe=""))  # noqa: S105 - the mask
        hosts = ",".join(f"{_render_host(host)}:{port}" for host, port in self.hosts)
        query = dict(self.options)
        if with_schema and self.schema is not None:
            query = {"schema": self.schema, **query}
        suffix = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return f"postgresql://{credentials}@{hosts}/{quote(self.database, safe='')}{suffix}"

    def connect_arguments(self, *, application_name: str) -> dict[str, Any]:
        """Keyword arguments for `asyncpg.connect`; the time-out is left to the caller unless the URL sets one."""
        settings = {"application_name": self.options.get("application_name", application_name)}
        if self.schema is not None:
            settings["search_path"] = f'"{self.schema}"'
        arguments: dict[str, Any] = {
            "user": self.user,
            "password": self.password,
            "host": [host for host, _ in self.hosts],
            "port": [port for _, port in self.hosts],
            "database": self.database,
            "server_settings": settings,
        }
        tls = {name: value for name, value in self.options.items() if name.startswith("ssl")}
        if tls:
            # asyncpg reads the certificate options from a URL only.
            arguments["dsn"] = f"postgresql://?{urlencode(tls, quote_via=quote)}"
        if "target_session_attrs" in self.options:
            arguments["target_session_attrs"] = self.options["target_session_attrs"]
        if "connect_timeout" in self.options:
            arguments["timeout"] = float(self.options["connect_timeout"])
        return arguments


def _unquote(text: str, *, variable: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise DatabaseUrlError(f"{variable}: a %-escape is not UTF-8") from None


def _render_host(host: str) -> str:
    if ":" in host:
        return f"[{host}]"
    return quote(host, safe="")


def _parse_hosts(text: str, *, variable: str) -> tuple[tuple[str, int], ...]:
    return tuple(_parse_host(entry, variable=variable) for entry in text.split(",") if entry)


def _parse_host(text: str, *, variable: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host:
        raise DatabaseUrlError(f"{variable}: the host is missing")
    if not port:
        return _unquote(host, variable=variable), DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        # Not quoted: an unescaped colon in a password puts a piece of it here.
        raise DatabaseUrlError(
            f"{variable}: the port is not a number from 1 to 65535 (is a : / ? # [ ] or @ of the password unescaped?)"
        )
    return _unquote(host, variable=variable), int(port)


def _parse_query(text: str, *, variable: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        raise DatabaseUrlError(
            f"{variable}: after the ? there is something other than name=value pairs"
        ) from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name in query:
            raise DatabaseUrlError(f"{variable}: option {name!r} stands there twice")
        query[name] = value
    return query


def _check_options(options: Mapping[str, str], *, variable: str) -> None:
    for name in options:
        if name not in OPTIONS:
            known = ", ".join(sorted(OPTIONS | {"schema"}))
            raise DatabaseUrlError(f"{variable}: unknown option {name!r}; known are {known}")
    _check_choice(options, "sslmode", SSL_MODES, variable=variable)
    _check_choice(options, "target_session_attrs", SESSION_ATTRIBUTES, variable=variable)
    timeout = options.get("connect_timeout")
    if timeout is not None and not (timeout.isascii() and timeout.isdigit() and int(timeout) > 0):
        raise DatabaseUrlError(f"{variable}: connect_timeout is a whole number of seconds above 0")


def _check_choice(options: Mapping[str, str], name: str, choices: tuple[str, ...], *, variable: str) -> None:
    if name in options and options[name] not in choices:
        raise DatabaseUrlError(f"{variable}: {name}={options[name]!r} is none of {', '.join(choices)}")
