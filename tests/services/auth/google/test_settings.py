"""The checks of the settings for Google."""

import pytest

from auth.settings import Settings
from dbcommon.settings_error import SettingsError

GOOD = {
    "AUTH_SECRET": "0123456789abcdefghijklmnopqrstuvwxyz",
    "AUTH_DATABASE_URL": "postgresql://auth_user:0123456789abcdefghij@localhost/auth_db",
    "GOOGLE_CLIENT_ID": "id",
    "GOOGLE_CLIENT_SECRET": "secret",
}
PRODUCTION = GOOD | {
    "QUARTET_ENV": "production",
    "AUTH_SMTP_HOST": "localhost",
    "AUTH_ISSUER": "https://auth.example.com",
}


def test_without_a_client_no_setting_is_required() -> None:
    settings = Settings.from_environment({name: GOOD[name] for name in ("AUTH_SECRET", "AUTH_DATABASE_URL")})
    assert settings.google_client_id is None
    assert settings.google_issuer == "https://accounts.google.com"


def test_addresses_and_origins_may_be_mixed() -> None:
    given = "https://app.example.com, https://other.example.com/back?tab=1 ,http://localhost:3000"
    settings = Settings.from_environment(PRODUCTION | {"GOOGLE_REDIRECT_URLS": given})
    assert settings.redirect_urls == [
        "https://app.example.com",
        "https://other.example.com/back?tab=1",
        "http://localhost:3000",
    ]


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (PRODUCTION | {"AUTH_WEB_URL": "http://app.example.com"}, "AUTH_WEB_URL: production needs https"),
        (
            PRODUCTION | {"AUTH_PASSKEY_ORIGINS": "http://auth.example.com"},
            "AUTH_PASSKEY_ORIGINS: production",
        ),
        (GOOD | {"GOOGLE_CLIENT_SECRET": ""}, "GOOGLE_CLIENT_SECRET is not set"),
        (GOOD | {"GOOGLE_ISSUER": "accounts.google.com"}, "GOOGLE_ISSUER: it is no URL"),
        (GOOD | {"GOOGLE_REDIRECT_URLS": "app.example.com"}, "GOOGLE_REDIRECT_URLS: 'app.example.com' is no"),
        (GOOD | {"GOOGLE_REDIRECT_URLS": "https://*.example.com"}, "GOOGLE_REDIRECT_URLS: "),
        (GOOD | {"GOOGLE_REDIRECT_URLS": "https://a@example.com"}, "GOOGLE_REDIRECT_URLS: "),
        (PRODUCTION | {"GOOGLE_ISSUER": "http://accounts.example.com"}, "GOOGLE_ISSUER: production needs"),
        (PRODUCTION | {"GOOGLE_REDIRECT_URLS": "http://app.example.com"}, "GOOGLE_REDIRECT_URLS: production"),
    ],
)
def test_an_invalid_setting_is_named_in_one_line(environment: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith(line)
    assert "secret" not in caught.value.lines[0].replace("GOOGLE_CLIENT_SECRET", "")
