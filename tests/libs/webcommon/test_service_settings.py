"""The settings that every service reads from its environment, and the errors for wrong ones."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from dbcommon.settings_error import SettingsError
from webcommon.settings import DatabaseServiceSettings, ServiceSettings, describe_settings

SECRET = "correct horse battery staple 0123456789"
GOOD = {"AUTH_SECRET": SECRET, "AUTH_DB_PASSWORD": "a password of the database", "POSTGRES_HOST": "h"}


class Settings(DatabaseServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")
    service: ClassVar[str] = "auth"
    port: int = Field(5500, ge=1, le=65535, description="The port.")
    switch: bool = Field(False, description="A switch.")
    key: SecretStr | None = Field(None, description="A key.")


def read(**environ: str) -> Settings:
    return Settings.from_environment({**GOOD, **environ})


def lines_for(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    said = f"{caught.value} {caught.value!r}"
    assert "canary" not in said
    assert said.count("\n") <= len(caught.value.lines)
    return caught.value.lines


def test_a_secret_and_a_database_are_enough() -> None:
    settings = read()
    assert str(settings.database.url) == "postgresql://auth_user:***@h:5432/auth_db"
    assert (settings.environment, settings.host, settings.port) == ("development", "127.0.0.1", 5500)
    assert (settings.auth_issuer, settings.auth_audience) == ("http://localhost:5500", "quartet")
    assert settings.jwks_url == "http://localhost:5500/.well-known/jwks.json"
    assert (settings.drain_seconds, settings.grace_seconds) == (0, 20)
    assert (settings.log_level, settings.log_format) == ("info", "auto")
    assert settings.allowed_origins == []


class WithoutDatabase(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")
    service: ClassVar[str] = "auth"


def test_only_settings_of_a_service_with_a_database_read_one() -> None:
    assert WithoutDatabase.from_environment({**GOOD, "AUTH_PORT": "1"}).database is None
    with pytest.raises(ValidationError, match="database"):
        Settings(secret=SecretStr(SECRET))


def test_every_setting_is_read_from_its_variable(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from a file\n")
    settings = read(
        QUARTET_ENV="production",
        AUTH_HOST="0.0.0.0",  # noqa: S104 - a value, nothing listens
        AUTH_PORT="1234",
        AUTH_CORS_ORIGINS="https://a.example, https://b.example:5173 ,",
        AUTH_SWITCH="true",
        AUTH_KEY_FILE=str(file),
        LOG_LEVEL="debug",
        LOG_FORMAT="json",
        AUTH_ISSUER="https://auth.example/",
        AUTH_AUDIENCE="others",
        SHUTDOWN_DRAIN_SECONDS="5",
        SHUTDOWN_GRACE_SECONDS="7.5",
    )
    assert (settings.environment, settings.host, settings.port) == ("production", "0.0.0.0", 1234)  # noqa: S104
    assert settings.allowed_origins == ["https://a.example", "https://b.example:5173"]
    assert settings.switch
    assert settings.key is not None
    assert settings.key.get_secret_value() == "from a file"
    assert (settings.log_level, settings.log_format) == ("debug", "json")
    assert settings.jwks_url == "https://auth.example/.well-known/jwks.json"
    assert (settings.auth_audience, settings.drain_seconds, settings.grace_seconds) == ("others", 5, 7.5)
    assert read(AUTH_JWKS_URL="http://auth:5500/keys").jwks_url == "http://auth:5500/keys"


def test_only_the_given_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_PORT", "1")
    monkeypatch.setenv("AUTH_SECRET", SECRET)
    assert read().port == 5500
    assert lines_for({"AUTH_DB_PASSWORD": "p"})[0].startswith("AUTH_SECRET is not set")
    assert Settings.from_environment().port == 1


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    names = [setting.name for setting in describe_settings(Settings)] + ["AUTH_SECRET_FILE", "AUTH_KEY_FILE"]
    assert read(**{name: "" for name in names if name != "AUTH_SECRET"}) == read()
    assert lines_for({**GOOD, "AUTH_SECRET": ""})[0].startswith("AUTH_SECRET is not set")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_PORT", "0"),
        ("AUTH_PORT", "65536"),
        ("AUTH_PORT", "http"),
        ("AUTH_SWITCH", "perhaps"),
        ("QUARTET_ENV", "staging"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("SHUTDOWN_DRAIN_SECONDS", "-1"),
        ("SHUTDOWN_DRAIN_SECONDS", "301"),
        ("SHUTDOWN_GRACE_SECONDS", "nan"),
        ("AUTH_ISSUER", "localhost:5500"),
        ("AUTH_ISSUER", "http://user:canary@localhost"),
        ("AUTH_JWKS_URL", "file:///etc/passwd"),
        ("AUTH_CORS_ORIGINS", "*"),
        ("AUTH_CORS_ORIGINS", "https://good.example,https://*.example"),
        ("AUTH_CORS_ORIGINS", "null"),
        ("AUTH_CORS_ORIGINS", "good.example"),
        ("AUTH_CORS_ORIGINS", "https://good.example/"),
        ("AUTH_SECRET", "canary-is-short"),
        ("AUTH_SECRET", "canary" * 10 + "\udcff"),
        ("AUTH_DATABASE_URL", "mysql://u:canary@h/d"),
        ("AUTH_DB_OPTIONS", "sslmode=maybe"),
        ("POSTGRES_PORT", "x"),
        ("DB_POOL_MIN", "eleven"),
        ("DB_POOL_MAX", "1"),
        ("DB_POOL_WAIT_SECONDS", "0"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(name: str, value: str) -> None:
    lines = lines_for({**GOOD, name: value})
    assert len(lines) == 1
    assert name in lines[0]


def test_every_fault_has_a_line_of_its_own() -> None:
    lines = lines_for(
        {
            "AUTH_PORT": "x",
            "LOG_LEVEL": "loud",
            "AUTH_SECRET": "canary",
            "AUTH_KEY_FILE": "/nowhere",
            "AUTH_DATABASE_URL": "canary",
        }
    )
    named = sorted(line.split(":")[0] for line in lines)
    assert named == ["AUTH_DATABASE_URL", "AUTH_KEY_FILE", "AUTH_PORT", "AUTH_SECRET", "LOG_LEVEL"]


def test_each_wrong_number_of_the_pool_has_a_line_beside_the_others() -> None:
    lines = lines_for({"DB_POOL_MIN": "x", "DB_POOL_MAX": "y"})
    assert sorted(line.replace(":", " ").split()[0] for line in lines) == [
        "AUTH_SECRET",
        "DB_POOL_MAX",
        "DB_POOL_MIN",
    ]


@pytest.mark.parametrize("content", [None, b"\n", b"\xff\xfe"])
def test_a_secret_file_that_cannot_be_used_is_named_once(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    environ = {"AUTH_DB_PASSWORD": "p", "AUTH_SECRET_FILE": str(file)}
    (line,) = lines_for(environ)
    assert line.startswith("AUTH_SECRET_FILE: ")


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (line,) = lines_for({**GOOD, "AUTH_SECRET_FILE": str(tmp_path / "secret")})
    assert "AUTH_SECRET and AUTH_SECRET_FILE" in line


@pytest.mark.parametrize(
    ("name", "value", "length"),
    [
        ("AUTH_SECRET", "x" * 40, 32),
        ("AUTH_DB_PASSWORD", "password", 16),
        ("AUTH_DATABASE_URL", "postgresql://auth_user:password@h/auth_db", 16),
    ],
)
def test_production_refuses_what_development_takes(name: str, value: str, length: int) -> None:
    read(**{name: value})
    (line,) = lines_for({**GOOD, name: value, "QUARTET_ENV": "production"})
    assert line == f"{name}: too weak for production; give at least {length} random characters"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_ISSUER", "http://auth.example.com"),
        ("AUTH_ISSUER", "http://localhost:5500"),
        ("AUTH_CORS_ORIGINS", "https://app.example.com,http://app.example.com"),
        ("AUTH_CORS_ORIGINS", "http://localhost:5173"),
    ],
)
def test_production_refuses_a_public_url_that_is_not_https(name: str, value: str) -> None:
    read(**{name: value})
    production = GOOD | {"QUARTET_ENV": "production", "AUTH_ISSUER": "https://auth.example.com"}
    (line,) = lines_for(production | {name: value})
    assert line.startswith(f"{name}: production needs https, unlike 'http://")


def test_production_needs_an_issuer_of_its_own_and_takes_inner_addresses_by_http() -> None:
    (line,) = lines_for(GOOD | {"QUARTET_ENV": "production"})
    assert line.startswith("AUTH_ISSUER: production needs https")
    settings = read(
        QUARTET_ENV="production",
        AUTH_ISSUER="https://auth.example.com",
        AUTH_JWKS_URL="http://auth:5500/keys",
    )
    assert settings.jwks_url == "http://auth:5500/keys"


def test_nothing_secret_is_printed(tmp_path: Path) -> None:
    settings = read(AUTH_SECRET=f"canary {SECRET}", AUTH_DB_PASSWORD="canary" * 5, AUTH_KEY="canary")
    assert "canary" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    with pytest.raises(ValidationError) as caught:
        Settings(secret=SecretStr("canary"))
    assert "canary" not in f"{caught.value} {caught.value!r}"


def test_settings_do_not_change() -> None:
    settings: Any = read()
    with pytest.raises(ValidationError):
        settings.port = 1


def test_settings_are_described_with_their_defaults_and_without_the_database() -> None:
    described = {setting.name: setting for setting in describe_settings(Settings)}
    assert described["AUTH_PORT"].default == "5500"
    assert described["AUTH_SWITCH"].default == "false"
    assert described["AUTH_SECRET"].default is None
    assert {name for name, setting in described.items() if setting.secret} == {"AUTH_SECRET", "AUTH_KEY"}
    assert all(setting.description for setting in described.values())
    assert not any("DATABASE" in name for name in described)
