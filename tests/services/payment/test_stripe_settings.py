"""The settings of Stripe: what they are without a key, and what production refuses."""

from pathlib import Path

import pytest

from dbcommon.settings_error import SettingsError
from payment.settings import Settings

BASE = {
    "PAYMENT_SECRET": "0123456789abcdefghijklmnopqrstuvwxyz",
    "PAYMENT_DATABASE_URL": "postgresql://payment_user:0123456789abcdefghij@localhost/payment_db",
}
LIVE = BASE | {
    "QUARTET_ENV": "production",
    "AUTH_ISSUER": "https://auth.example.com",
    "STRIPE_SECRET_KEY": "sk_live_0123456789",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_0123456789",
    "STRIPE_WEBHOOK_SECRETS": "whsec_0123456789",
}
TEST = LIVE | {"STRIPE_SECRET_KEY": "rk_test_0123456789", "STRIPE_PUBLISHABLE_KEY": "pk_test_0123456789"}


def lines(environment: dict[str, str]) -> list[str]:
    """What is refused."""
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(environment)
    return raised.value.lines


def test_without_a_key_it_is_the_standin() -> None:
    settings = Settings.from_environment(BASE)
    assert (settings.uses_standin, settings.is_live) == (True, False)
    assert settings.api_base == "http://127.0.0.1:8420"
    assert settings.api_key == "sk_test_quartet_standin"
    assert settings.publishable_key == "pk_test_quartet_standin"
    assert settings.webhook_secrets == ("whsec_quartet_standin",)


def test_with_a_key_it_is_stripe_and_nothing_of_the_standin() -> None:
    settings = Settings.from_environment(BASE | {"STRIPE_SECRET_KEY": "sk_test_0123456789"})
    assert (settings.uses_standin, settings.is_live) == (False, False)
    assert settings.api_base == "https://api.stripe.com"
    assert settings.api_key == "sk_test_0123456789"
    assert settings.publishable_key is None
    assert settings.webhook_secrets == ()


def test_production_takes_an_account() -> None:
    settings = Settings.from_environment(LIVE | {"STRIPE_WEBHOOK_SECRET": " whsec_old"})
    assert settings.is_live
    assert settings.webhook_secrets == ("whsec_0123456789", "whsec_old")
    assert not Settings.from_environment(TEST | {"STRIPE_ALLOW_TEST_KEY": "true"}).is_live


def test_a_secret_may_lie_in_a_file_and_several_are_separated_by_commas(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_a, whsec_b,whsec_a\n")
    settings = Settings.from_environment(BASE | {"STRIPE_WEBHOOK_SECRETS_FILE": str(file)})
    assert settings.webhook_secrets == ("whsec_a", "whsec_b")


def test_a_base_may_end_in_a_slash() -> None:
    given = BASE | {"STRIPE_API_BASE": "http://127.0.0.1:9000/"}
    assert Settings.from_environment(given).api_base == "http://127.0.0.1:9000"


def without(name: str) -> dict[str, str]:
    """An account without one of its settings."""
    return {key: value for key, value in LIVE.items() if key != name}


STANDIN = "it is the stand-in's, which anybody knows; give that of your account"


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            without("STRIPE_SECRET_KEY"),
            "STRIPE_SECRET_KEY is not set; production needs the key of an account, not the stand-in",
        ),
        (
            LIVE | {"STRIPE_API_BASE": "http://127.0.0.1:8420"},
            "STRIPE_API_BASE: production needs https, unlike 'http://127.0.0.1:8420'; leave it out for Stripe's own",
        ),
        (
            TEST | {"STRIPE_SECRET_KEY": "sk_test_quartet_standin", "STRIPE_ALLOW_TEST_KEY": "true"},
            f"STRIPE_SECRET_KEY: {STANDIN}",
        ),
        (
            TEST | {"STRIPE_PUBLISHABLE_KEY": "pk_test_quartet_standin", "STRIPE_ALLOW_TEST_KEY": "true"},
            f"STRIPE_PUBLISHABLE_KEY: {STANDIN}",
        ),
        (
            LIVE | {"STRIPE_WEBHOOK_SECRET": "whsec_quartet_standin"},
            f"STRIPE_WEBHOOK_SECRETS: {STANDIN}",
        ),
        (
            TEST,
            "STRIPE_SECRET_KEY: it is a key of the test mode, with which no money moves; give one that begins with "
            "sk_live_ or rk_live_, or set STRIPE_ALLOW_TEST_KEY=true",
        ),
        (
            LIVE | {"STRIPE_SECRET_KEY": "sk_test_0123456789"},
            "STRIPE_SECRET_KEY: it is a key of the test mode, with which no money moves; give one that begins with "
            "sk_live_ or rk_live_, or set STRIPE_ALLOW_TEST_KEY=true",
        ),
        (
            LIVE | {"STRIPE_PUBLISHABLE_KEY": "pk_test_0123456789"},
            "STRIPE_PUBLISHABLE_KEY: it is of another mode than STRIPE_SECRET_KEY; give both of one mode",
        ),
        (
            TEST | {"STRIPE_PUBLISHABLE_KEY": "pk_live_0123456789", "STRIPE_ALLOW_TEST_KEY": "true"},
            "STRIPE_PUBLISHABLE_KEY: it is of another mode than STRIPE_SECRET_KEY; give both of one mode",
        ),
        (
            without("STRIPE_PUBLISHABLE_KEY"),
            "STRIPE_PUBLISHABLE_KEY is not set; browsers confirm payments with it",
        ),
        (
            without("STRIPE_WEBHOOK_SECRETS"),
            "STRIPE_WEBHOOK_SECRETS is not set; give the signing secret of the webhook endpoint at Stripe",
        ),
        (
            LIVE | {"STRIPE_WEBHOOK_SECRETS": " , "},
            "STRIPE_WEBHOOK_SECRETS is not set; give the signing secret of the webhook endpoint at Stripe",
        ),
    ],
)
def test_production_refuses(environment: dict[str, str], line: str) -> None:
    assert lines(environment) == [line]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "STRIPE_SECRET_KEY",
            "pk_live_0123456789",
            "it is no secret key of Stripe; give one that begins with sk_ or rk_",
        ),
        (
            "STRIPE_SECRET_KEY",
            "sk_live_ü",
            "it is no secret key of Stripe; give one that begins with sk_ or rk_",
        ),
        (
            "STRIPE_PUBLISHABLE_KEY",
            "sk_live_0123456789",
            "it is no publishable key of Stripe; give one that begins with pk_",
        ),
        (
            "STRIPE_API_BASE",
            "https://api.stripe.com/v1",
            "'https://api.stripe.com/v1' is no base; write https://host or http://host:port, without /v1",
        ),
    ],
)
def test_what_is_none_is_refused_anywhere(name: str, value: str, line: str) -> None:
    assert f"{name}: {line}" in lines(BASE | {name: value})
