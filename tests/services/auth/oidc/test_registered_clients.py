"""Registered clients, and errors of their setting."""

import pytest

from auth.settings import Settings
from dbcommon.settings_error import SettingsError

NEEDED = {
    "AUTH_SECRET": "a quiet harbour, 0123456789 abcdef",
    "AUTH_DATABASE_URL": "postgresql://auth_user:a-long-pass-word-4711@127.0.0.1/auth_db",
}
PRODUCTION = {
    "QUARTET_ENV": "production",
    "AUTH_SMTP_HOST": "mail.example.com",
    "AUTH_ISSUER": "https://auth.example.com",
}


def redirect_uris(**environment: str) -> dict[str, set[str]]:
    """The clients of an environment."""
    settings = Settings.from_environment(NEEDED | environment)
    return {name: set(client.redirect_uris) for name, client in settings.registered_clients.items()}


def test_development_registers_the_suites_clients_on_localhost() -> None:
    assert redirect_uris() == {
        "videovault-web": {"http://localhost:5100/callback", "http://127.0.0.1:5100/callback"},
        "l2p-web": {"http://localhost:3001/callback", "http://127.0.0.1:3001/callback"},
        "payment-web": {"http://localhost:3004/callback", "http://127.0.0.1:3004/callback"},
    }


def test_production_registers_none_by_default() -> None:
    assert redirect_uris(**PRODUCTION) == {}
    assert Settings.from_environment(NEEDED | PRODUCTION).allowed_origins == []
    text = "l2p-web=https://play.example.com/in, l2p-web=https://play.example.com/in?a=b , shop=https://shop.example.com/"
    assert redirect_uris(**PRODUCTION, AUTH_CLIENTS=text) == {
        "l2p-web": {"https://play.example.com/in", "https://play.example.com/in?a=b"},
        "shop": {"https://shop.example.com/"},
    }


def test_a_clients_page_may_fetch_its_tokens_but_use_neither_cookies_nor_passkeys() -> None:
    settings = Settings.from_environment(
        NEEDED
        | {"AUTH_CORS_ORIGINS": "https://one.example.com", "AUTH_CLIENTS": "two=https://two.example.com/in"}
    )
    assert settings.allowed_origins == ["https://one.example.com", "https://two.example.com"]
    assert settings.cookie_origins == ["https://one.example.com"]
    assert settings.passkey_pages == ["http://localhost:5500", "https://one.example.com"]


@pytest.mark.parametrize(
    "entry",
    [
        "l2p-web",
        "l2p-web=",
        "=https://play.example.com/in",
        "L2P=https://play.example.com/in",
        "quartet=https://play.example.com/in",
        "l2p-web=http://play.example.com/in",
        "l2p-web=http://localhost.example.com/in",
        "l2p-web=https://play.example.com/in#part",
        "l2p-web=https://user@play.example.com/in",
        "l2p-web=https://*.example.com/in",
        "l2p-web=https://Play.example.com/in",
        "l2p-web=https://play.example.com:port/in",
        "l2p-web=https:///in",
        "l2p-web=/in",
        "l2p-web=javascript:alert(1)",
        "l2p-web=https://play.example.com/in out",
    ],
)
def test_an_invalid_client_is_named_in_one_line(entry: str) -> None:
    text = f"shop=https://shop.example.com/in,{entry}"
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(NEEDED | {"AUTH_CLIENTS": text})
    (line,) = refused.value.lines
    assert line.startswith(f"AUTH_CLIENTS: '{entry}': ")
    assert "write client=https://host/path" in line
