"""Logs: one JSON object a line, or coloured text on a terminal, and never a secret in either."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
import structlog
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, use_span
from sqlalchemy.exc import DBAPIError

from tests.tokens import TokenMint
from webcommon.observability.context import request_id
from webcommon.observability.logs import configure_logging, log_request
from webcommon.settings import LogFormat

CANARY = "hunter2Canary"
Configure = Callable[..., io.StringIO]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """`configure(log_format)` sends all logs to the stream that it gives, until the test ends."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def start(log_format: LogFormat = "json", *, terminal: bool = False, level: str = "debug") -> io.StringIO:
        stream = Terminal() if terminal else io.StringIO()
        configure_logging(service="tiny", level=level, log_format=log_format, stream=stream)
        return stream

    try:
        yield start
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    """Every line as the JSON object that it must be."""
    text = stream.getvalue()
    assert not text or text.endswith("\n")
    parsed = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(line, dict) for line in parsed)
    return parsed


def test_a_line_is_one_json_object_with_the_same_fields(configure: Configure) -> None:
    stream = configure()
    logging.getLogger("some.module").warning("it is %s", "so")
    (line,) = lines_of(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|\+00:00)", line.pop("at"))
    assert line == {"event": "it is so", "level": "warning", "logger": "some.module", "service": "tiny"}


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "a\r\nb",
        "a\u2028b",
        "\x1b[31mred",
        "é🔑",
        "half \ud800",
        "\x00",
        '{"event": 1}',
        "%",
        "",
    ],
)
def test_any_text_stays_on_one_line(configure: Configure, text: str) -> None:
    stream = configure()
    logging.getLogger("x").info("%s", text)
    logging.getLogger("x").info("fields", extra={"fields": {"given": text}})
    assert stream.getvalue().count("\n") == 2
    assert [line.get("given", line["event"]) for line in lines_of(stream)] == [text, text]


def test_values_that_are_no_json_are_written_all_the_same(configure: Configure) -> None:
    stream = configure()
    identifier = uuid4()
    fields = {"id": identifier, "set": {1}, "bytes": b"x", "nested": {"a": [object()]}}
    logging.getLogger("x").info("odd", extra={"fields": fields})
    (line,) = lines_of(stream)
    assert str(identifier) in str(line["id"])


def test_structlog_s_own_loggers_write_the_same_lines(configure: Configure) -> None:
    stream = configure()
    logging.getLogger("x").info("plain")
    (line,) = lines_of(stream)
    assert line["event"] == "plain"
    assert not structlog.is_configured()


def test_the_request_id_is_on_every_line_of_a_request(configure: Configure) -> None:
    stream = configure()
    token = request_id.set("abc")
    try:
        logging.getLogger("x").info("inside")
        log_request(logging.INFO, "request", {"status": 200})
    finally:
        request_id.reset(token)
    logging.getLogger("x").info("outside")
    assert [line.get("request_id") for line in lines_of(stream)] == ["abc", "abc", None]


def test_the_line_of_a_request_has_its_fields_and_its_level(configure: Configure) -> None:
    stream = configure()
    fields: dict[str, str | int | float] = {
        "method": "GET",
        "route": "/v1/x/{id}",
        "status": 503,
        "duration_ms": 1.5,
    }
    log_request(logging.WARNING, "request", fields)
    (line,) = lines_of(stream)
    assert line.items() >= fields.items()
    assert (line["level"], line["service"], line["event"]) == ("warning", "tiny", "request")


@pytest.mark.parametrize(
    "identifier",
    [
        None,
        "01890a5d-ac96-774b-bcce-b302099a8057",
        'their own "id"',
        "password=hunter2Canary",
        "eyJhbGciOiJFUzI1NiJ9.x",
    ],
)
@pytest.mark.parametrize("is_traced", [False, True])
def test_the_line_of_a_request_is_spelled_as_every_other(
    configure: Configure, identifier: str | None, *, is_traced: bool
) -> None:
    stream = configure()
    fields: dict[str, str | int | float] = {
        "method": "GET",
        "route": '/v1/"é"/{id}',
        "status": 200,
        "duration_ms": 0.1,
    }
    span = SpanContext(trace_id=7, span_id=8, is_remote=False) if is_traced else INVALID_SPAN_CONTEXT
    reset = request_id.set(identifier)
    try:
        with use_span(NonRecordingSpan(span)):
            log_request(logging.INFO, "request", fields)
            logging.getLogger("x").info("request", extra={"fields": fields})
    finally:
        request_id.reset(reset)
    own, other = lines_of(stream)
    assert datetime.fromisoformat(own.pop("at")) <= datetime.fromisoformat(other.pop("at"))
    assert other.pop("logger") == "x"
    assert own == other


def test_the_line_of_a_request_is_text_on_a_terminal(configure: Configure) -> None:
    stream = configure("console", terminal=True)
    log_request(logging.INFO, "request", {"route": "/v1/x"})
    assert re.search("request.*route.*/v1/x", stream.getvalue())


def test_a_line_of_a_request_that_cannot_be_written_stops_nothing(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure().close()
    log_request(logging.INFO, "request", {"status": 200})
    assert "could not be written" in capsys.readouterr().err


def test_only_lines_of_the_level_and_above_are_written(configure: Configure) -> None:
    stream = configure(level="warning")
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").warning("loud")
    log_request(logging.INFO, "request", {"status": 200})
    log_request(logging.WARNING, "request", {"status": 503})
    assert [line["event"] for line in lines_of(stream)] == ["loud", "request"]


def test_the_server_s_own_lines_look_like_ours(configure: Configure) -> None:
    before = logging.getLogger("uvicorn.error")
    before.addHandler(logging.StreamHandler(sys.stderr))
    before.propagate = False
    stream = configure()
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://127.0.0.1:1")
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert [line["logger"] for line in lines_of(stream)] == ["uvicorn.error", "asyncio"]


def test_the_http_client_does_not_write_its_urls(configure: Configure) -> None:
    stream = configure()
    logging.getLogger("httpx").info("HTTP Request: GET http://x/?code=%s", CANARY)
    assert stream.getvalue() == ""


# Terminals.


def test_auto_is_json_in_a_container_and_text_on_a_terminal(configure: Configure) -> None:
    piped = configure("auto")
    logging.getLogger("x").info("said")
    assert lines_of(piped)[0]["event"] == "said"
    shown = configure("auto", terminal=True)
    logging.getLogger("x").info("said")
    assert "said" in shown.getvalue()
    assert not shown.getvalue().startswith("{")


def test_a_terminal_gets_colours_unless_it_wants_none(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(*, terminal: bool) -> str:
        stream = configure("console", terminal=terminal)
        logging.getLogger("x").warning("said")
        return stream.getvalue()

    assert "\x1b[" in shown(terminal=True)
    assert "\x1b[" not in shown(terminal=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in shown(terminal=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in shown(terminal=True)


def test_json_is_never_coloured(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = configure("json", terminal=True)
    logging.getLogger("x").warning("said")
    assert "\x1b" not in stream.getvalue()


# Secrets.

SECRET_TEXTS = [
    f"password={CANARY}",
    f"password: {CANARY}",
    f"'password': '{CANARY}'",
    f'{{"new_password":"{CANARY}"}}',
    f"PGPASSWORD={CANARY}",
    f"AUTH_DB_PASSWORD_FILE=/x AUTH_SECRET={CANARY}",
    f"refresh_token={CANARY}&grant_type=refresh_token",
    f"client_secret = {CANARY}",
    f"api-key: {CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"authorization: bearer {CANARY}",
    f"Authorization: Basic {CANARY}",
    f"'authorization': 'Bearer {CANARY}'",
    f"sent Bearer {CANARY}",
    f"Cookie: theme=dark; session={CANARY}",
    f"Set-Cookie: __Host-refresh={CANARY}; Secure",
    f"postgresql://auth_user:{CANARY}@localhost:5432/auth_db",
    f"postgres://u:x/{CANARY}@h/d",
    f"postgresql+asyncpg://u:p@{CANARY}#?@h/d",
    f"redis://:{CANARY}@h",
    f"https://user:{CANARY}@h/path?x=a@b",
    f"sk_test_{CANARY}",
    f"whsec_{CANARY}",
    f"rk_live_{CANARY}",
    f"eyJhbGciOiJFUzI1NiJ9.{CANARY}.{CANARY}",
    f"[parameters: ('{CANARY}', 1)]",
    f"invalid input for query argument $1: '{CANARY}' (expected int)",
]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(
    configure: Configure, text: str, log_format: LogFormat
) -> None:
    stream = configure(log_format, terminal=log_format == "console")
    logger = logging.getLogger("x")
    logger.info(text)
    logger.info("the text was %s, and so on", text)
    logger.info("fields", extra={"fields": {"given": text, "nested": {"a": [text]}, "tuple": (text,)}})
    failure = KeyError("outer")
    failure.__cause__ = RuntimeError(text)
    logger.error("it failed", exc_info=failure)
    written = stream.getvalue()
    assert "it failed" in written
    assert "RuntimeError" in written
    assert CANARY not in written
    assert "***" in written


SECRET_NAMES = [
    *(
        "password",
        "new_password",
        "passwd",
        "client_secret",
        "refresh_token",
        "access_token",
        "Authorization",
    ),
    *("cookie", "set-cookie", "card_number", "cvc", "api_key", "apikey", "credentials"),
]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("name", SECRET_NAMES)
def test_fields_that_are_named_like_secrets_are_masked(
    configure: Configure, name: str, log_format: LogFormat
) -> None:
    stream = configure(log_format)
    for value in (CANARY, [CANARY], {"a": CANARY}, CANARY.encode()):
        logging.getLogger("x").info("fields", extra={"fields": {name: value, "nested": {name: value}}})
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(configure: Configure, log_format: LogFormat) -> None:
    stream = configure(log_format, terminal=log_format == "console")

    def work(given: str) -> None:
        assert given.endswith("y")
        raise RuntimeError("failed")

    try:
        work(CANARY)
    except RuntimeError:
        logging.getLogger("x").exception("it failed")
    assert "RuntimeError: failed" in stream.getvalue()
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_parameters_of_a_statement_stay_out_of_its_traceback(
    configure: Configure, log_format: LogFormat
) -> None:
    stream = configure(log_format)
    failure = DBAPIError("INSERT …", (CANARY, 1), Exception("refused"))
    logging.getLogger("x").error("it failed", exc_info=failure)
    assert "INSERT …" in stream.getvalue() or "INSERT \\u2026" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_a_real_token_is_masked(configure: Configure, mint: TokenMint) -> None:
    stream = configure()
    token = mint.token()
    logging.getLogger("x").info("got %s", token)
    log_request(logging.INFO, "request", {"status": 200})
    written = stream.getvalue()
    assert all(part not in written for part in token.split("."))


def test_a_request_id_that_is_a_token_is_masked(configure: Configure, mint: TokenMint) -> None:
    stream = configure()
    reset = request_id.set(mint.token()[:128])
    try:
        log_request(logging.INFO, "request", {"status": 200})
        logging.getLogger("x").info("inside")
    finally:
        request_id.reset(reset)
    assert "eyJ" not in stream.getvalue()


def test_a_line_that_cannot_be_formatted_does_not_print_its_arguments(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = configure()
    logging.getLogger("x").info("%d tries", CANARY)
    logging.getLogger("x").info("afterwards")
    captured = capsys.readouterr()
    assert CANARY not in captured.err + captured.out + stream.getvalue()
    assert "could not be written" in captured.err
    assert lines_of(stream)[-1]["event"] == "afterwards"


HARMLESS = [
    "a used refresh token came again",
    "listening on http://127.0.0.1:5500",
    "GET http://127.0.0.1:5500/users?email=a@example.com",
    "the password rules changed",
    "0.25 s: 3 of 10 connections",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_words_are_left_alone(configure: Configure, text: str) -> None:
    stream = configure()
    logging.getLogger("x").info(text)
    assert lines_of(stream)[0]["event"] == text
