"""Connection strings: `postgresql://user:password@host:port/database[?schema=public&sslmode=…]`.

`DatabaseUrl.parse` reads one, `DatabaseUrl(...)` composes one from parts; printing either shows the password as `***`,
unless it is printed by `reveal`.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from dbcommon.settings_error import SettingsError

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
"""The supported options, with libpq's meaning (PostgreSQL manual, 34.1.2)."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSION_ATTRIBUTES = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")

_SECRET_OPTIONS = frozenset({"sslpassword"})

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
_HOST_NAME = re.compile(r"[\w.-]+")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

# Not urllib's splitter: it refuses lists of IPv6 hosts on some versions of Python, and quotes what it refuses.
_URL = re.compile(
    r"(?P<scheme>[A-Za-z+]+)://(?P<authority>[^/?#]*)(/(?P<database>[^?#]*))?(\?(?P<query>[^#]*))?(?P<fragment>#.*)?"
)


@dataclass(kw_only=True)
class PasswordFile:
    """A file that holds a password, and the one of it that was right last."""

    path: Path
    current: str = field(repr=False)

    def read(self) -> str:
        """What it holds now, without the final line end; empty if it cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError):
            return ""


@dataclass(frozen=True, kw_only=True, repr=False)
class DatabaseUrl:
    """One database, and how to reach it. Raises `SettingsError` for an invalid part."""

    user: str
    password: str | None = None
    hosts: tuple[tuple[str, int], ...]
    database: str
    schema: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    variable: str = field(default="the database URL", compare=False)
    part_variables: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The settings of single parts, by "host", "user", "password", "database", "schema", "options"."""
    password_file: PasswordFile | None = field(default=None, compare=False)
    """Where the password comes from, if it may be rotated there while the program runs."""

    def __post_init__(self) -> None:
        if not self.user:
            raise SettingsError(
                f"{self.variable}: the user is missing; write postgresql://user:password@host/database"
            )
        if not self.database:
            raise SettingsError(f"{self.variable}: the database is missing; end the URL with /name")
        if not self.hosts:
            raise SettingsError(f"{self.variable}: the host is missing")
        for name in ("user", "password", "database"):
            _check_text(getattr(self, name) or "", variable=self._named(name))
        for host, _ in self.hosts:
            _check_host(host, variable=self._named("host"))
        if self.schema is not None and not _IDENTIFIER.fullmatch(self.schema):
            raise SettingsError(f"{self._named('schema')}: schema={self.schema!r} is not an identifier")
        _check_options(self.options, variable=self._named("options"))

    def _named(self, part: str) -> str:
        return self.part_variables.get(part, self.variable)

    @classmethod
    def parse(cls, text: str, *, variable: str = "the database URL") -> "DatabaseUrl":
        """Parse `text`; `variable` is the setting to name in an error."""
        parts = _split(text, variable=variable)
        credentials, _, host_list = parts["authority"].rpartition("@")
        user, _, password = credentials.partition(":")
        hosts = _parse_hosts(host_list, variable=variable)
        if not user:
            # Checked before the options: a ? inside an unescaped password makes pieces of it look like some.
            raise SettingsError(
                f"{variable}: the user is missing; write postgresql://user:password@host/database"
            )
        query = parse_options(parts["query"], variable=variable) if parts["query"] else {}
        schema = query.pop("schema", None)
        return cls(
            user=_unquote(user, variable=variable),
            password=_unquote(password, variable=variable) if password else None,
            hosts=hosts,
            database=_unquote(parts["database"] or "", variable=variable),
            schema=schema,
            options=query,
            variable=variable,
        )

    def __str__(self) -> str:
        return self._render(hidden=True)

    def __repr__(self) -> str:
        return f"DatabaseUrl({self._render(hidden=True)!r})"

    def reveal(self) -> str:
        """The URL with its password; `parse` reads it back."""
        return self._render(hidden=False)

    def reveal_for_libpq(self) -> str:
        """The URL with its password and without `schema=`, which psql and pg_dump do not know."""
        return self._render(hidden=False, with_schema=False)

    def _render(self, *, hidden: bool, with_schema: bool = True) -> str:
        credentials = quote(self.user, safe="")
        if self.password is not None:
            credentials += ":" + ("***" if hidden else quote(self.password, safe=""))
        hosts = ",".join(f"{_render_host(host)}:{port}" for host, port in self.hosts)
        query = {
            name: "***" if hidden and name in _SECRET_OPTIONS else value
            for name, value in self.options.items()
        }
        if with_schema and self.schema is not None:
            query = {"schema": self.schema, **query}
        suffix = f"?{urlencode(query, quote_via=quote, safe='*' if hidden else '')}" if query else ""
        return f"postgresql://{credentials}@{hosts}/{quote(self.database, safe='')}{suffix}"

    def connect_arguments(self, *, application_name: str) -> dict[str, Any]:
        """Keyword arguments for `asyncpg.connect`; the time-out is left to the caller unless the URL sets one."""
        settings = {"application_name": self.options.get("application_name", application_name)}
        if self.schema is not None:
            settings["search_path"] = f'"{self.schema}"'
        arguments: dict[str, Any] = {
            "user": self.user,
            "password": self.password_file.current if self.password_file else self.password,
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


def parse_options(text: str, *, variable: str) -> dict[str, str]:
    """The pairs of `name=value&name=value`, percent-decoded. Raises `SettingsError` that names `variable`."""
    options: dict[str, str] = {}
    for pair in text.split("&"):
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise SettingsError(f"{variable}: options are name=value pairs joined by &")
        name = _unquote(name, variable=variable)
        if name in options:
            raise SettingsError(f"{variable}: option {name!r} stands there twice")
        options[name] = _unquote(value, variable=variable)
    return options


def parse_port(text: str, *, variable: str) -> int:
    """A TCP port. The error does not quote the text: an unescaped colon in a password puts a piece of it here."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise SettingsError(
            f"{variable}: the port is not a number from 1 to 65535 (is a : / ? # [ ] or @ of the password unescaped?)"
        )
    return int(text)


def _split(text: str, *, variable: str) -> dict[str, str]:
    if any(character.isspace() for character in text):
        raise SettingsError(f"{variable}: it holds white space; percent-encode it as %20")
    match = _URL.fullmatch(text)
    if match is None or match["scheme"].lower() not in SCHEMES:
        raise SettingsError(f"{variable}: it does not begin with postgresql:// (or postgres://)")
    if match["fragment"]:
        raise SettingsError(f"{variable}: a # must be written as %23")
    # With more than one @ the end of the password is ambiguous; no part of it may be printed.
    if text.count("@") > 1 or "/" in (match["database"] or ""):
        raise SettingsError(f"{variable}: percent-encode @ as %40 and / as %2F inside user and password")
    return match.groupdict()


def _unquote(text: str, *, variable: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise SettingsError(f"{variable}: a % that begins no escape must be written as %25")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: a %-escape is not UTF-8") from None


def _render_host(host: str) -> str:
    if ":" in host and not host.startswith("/"):
        return f"[{quote(host, safe=':')}]"
    return quote(host, safe="")


def _parse_hosts(text: str, *, variable: str) -> tuple[tuple[str, int], ...]:
    return tuple(_parse_host(entry, variable=variable) for entry in text.split(","))


def _parse_host(text: str, *, variable: str) -> tuple[str, int]:
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        if not closing or (rest and not rest.startswith(":")):
            raise SettingsError(f"{variable}: an IPv6 host is written [::1]:5432")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host:
        raise SettingsError(f"{variable}: the host is missing")
    return _unquote(host, variable=variable), parse_port(port, variable=variable) if port else DEFAULT_PORT


def _check_text(text: str, *, variable: str) -> None:
    if "\x00" in text:
        raise SettingsError(f"{variable}: a NUL character cannot be sent to a server")
    # How Python spells bytes of the environment that are not UTF-8.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise SettingsError(f"{variable}: it is not valid UTF-8")


def _check_host(host: str, *, variable: str) -> None:
    _check_text(host, variable=variable)
    if host.startswith("/") or _HOST_NAME.fullmatch(host):
        return
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise SettingsError(f"{variable}: the host is no name, address or socket folder") from None


def _check_options(options: Mapping[str, str], *, variable: str) -> None:
    for name in options:
        if name not in OPTIONS:
            known = ", ".join(sorted(OPTIONS | {"schema"}))
            raise SettingsError(f"{variable}: unknown option {name!r}; known are {known}")
        _check_text(options[name], variable=variable)
    _check_choice(options, "sslmode", SSL_MODES, variable=variable)
    _check_choice(options, "target_session_attrs", SESSION_ATTRIBUTES, variable=variable)
    timeout = options.get("connect_timeout")
    if timeout is not None and not re.fullmatch(r"0*[1-9][0-9]{0,5}", timeout):
        raise SettingsError(f"{variable}: connect_timeout is a whole number of seconds above 0")


def _check_choice(options: Mapping[str, str], name: str, choices: tuple[str, ...], *, variable: str) -> None:
    if name in options and options[name] not in choices:
        raise SettingsError(f"{variable}: {name}={options[name]!r} is none of {', '.join(choices)}")
