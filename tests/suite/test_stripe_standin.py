"""The stand-in for Stripe beside the services: where it is, whom it tells, and when it does not run."""

from pathlib import Path

import httpx
import pytest

from payment.settings.stripe import STANDIN_SECRET_KEY, STANDIN_WEBHOOK_SECRET
from quartet.errors import WrongSettings
from quartet.settings import load_settings
from quartet.settings.operator import STRIPE_STANDIN
from quartet.stack.programs import WEBHOOKS, helpers_of
from standins.stripe.__main__ import WEBHOOK_SECRET
from tests.clients import certificates
from tests.suite.stack import Stack


def told(stack: Stack, name: str, kind: str) -> list[str]:
    """The command line or the environment of a process."""
    pid = stack.running.state["services"][name]["pid"]
    return Path(f"/proc/{pid}/{kind}").read_text().split("\0")


@pytest.mark.long
def test_a_stack_without_a_key_says_where_it_is_and_that_it_is_none_of_stripes(stack: Stack) -> None:
    port = stack.place.told["STRIPE_STANDIN_PORT"]
    (line,) = [line for line in stack.running.output.splitlines() if f"localhost:{port}  (" in line]
    assert "no money moves: a stand-in for Stripe until STRIPE_SECRET_KEY is set" in line


@pytest.mark.long
def test_payment_and_the_standin_know_each_other(stack: Stack) -> None:
    port = stack.place.told["STRIPE_STANDIN_PORT"]
    webhooks = f"http://127.0.0.1:{stack.place.ports['payment']}{WEBHOOKS}"
    assert f"--webhook-url={webhooks}" in told(stack, STRIPE_STANDIN, "cmdline")
    for name in ("payment.1", "payment.2"):
        assert f"STRIPE_STANDIN_URL=http://127.0.0.1:{port}" in told(stack, name, "environ")
    assert not [line for line in told(stack, "auth.1", "environ") if line.startswith("STRIPE_")]
    assert WEBHOOK_SECRET == STANDIN_WEBHOOK_SECRET


@pytest.mark.long
def test_it_takes_the_key_of_payment_and_its_checkout_page_opens_in_a_browser(stack: Stack) -> None:
    base = f"http://127.0.0.1:{stack.place.told['STRIPE_STANDIN_PORT']}"
    form = {
        "mode": "payment",
        "line_items[0][quantity]": "2",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "1250",
        "line_items[0][price_data][product_data][name]": "Earl Grey",
        "success_url": "https://shop.example/thanks",
    }
    with httpx.Client(base_url=base, verify=certificates(), auth=(STANDIN_SECRET_KEY, "")) as client:
        made = client.post("/v1/checkout/sessions", data=form).json()
    assert made["url"].startswith(f"{base}/")
    assert "Earl Grey" in httpx.get(made["url"], verify=certificates()).text


KEY = "sk_test_0123456789"


@pytest.mark.parametrize(
    ("environment", "helpers"),
    [
        ({}, [STRIPE_STANDIN]),
        ({"BACKUP": "1"}, ["backup", STRIPE_STANDIN]),
        ({"STRIPE_STANDIN": "0"}, []),
        ({"STRIPE_SECRET_KEY": KEY}, []),
        ({"STRIPE_SECRET_KEY_FILE": "/run/key"}, []),
        ({"STRIPE_API_BASE": "http://127.0.0.1:9000"}, []),
        ({"STRIPE_STANDIN_URL": "http://127.0.0.1:9000"}, []),
        ({"QUARTET_ENV": "production"}, []),
    ],
)
def test_it_runs_without_a_key_only(tmp_path: Path, environment: dict[str, str], helpers: list[str]) -> None:
    assert helpers_of(load_settings(folder=tmp_path, environ=environment)) == helpers


def test_whether_it_runs_is_0_or_1(tmp_path: Path) -> None:
    with pytest.raises(WrongSettings, match="STRIPE_STANDIN=no"):
        helpers_of(load_settings(folder=tmp_path, environ={"STRIPE_STANDIN": "no"}))


def test_it_signs_with_the_secrets_that_payment_was_given_and_knows_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("whsec_b\n")
    given = {
        "STRIPE_WEBHOOK_SECRETS": "whsec_a",
        "STRIPE_WEBHOOK_SECRET_FILE": str(tmp_path / "secret"),
        "PAYMENT_SECRET": "s",
        "LANG": "C",
    }
    settings = load_settings(folder=tmp_path, environ=given)
    assert settings.standin_environment(given) == {"LANG": "C", "STRIPE_WEBHOOK_SECRETS": "whsec_a,whsec_b"}
    assert load_settings(folder=tmp_path, environ={"LANG": "C"}).standin_environment({"LANG": "C"}) == {
        "LANG": "C"
    }
