"""compose.yaml, Dockerfile and the server's configuration agree with the code. Needs no engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are one more dependency for these few lines

from auth.mail import worker as mail
from quartet.postgres.binaries import Binaries
from quartet.postgres.configuration import server_settings
from quartet.provision.plan import Plan
from quartet.settings.catalogue import known_settings
from quartet.settings.operator import GENERATED
from quartet.stack.programs import WEBHOOKS
from standins.stripe.__main__ import read_arguments
from tests.containers.engine import ROOT, SERVICES
from webcommon.app import trace_export
from webcommon.app.drain import CLOSING_SECONDS, longest_stop

COMPOSE: dict[str, Any] = yaml.safe_load(ROOT.joinpath("compose.yaml").read_text())
DEFINED: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS = {setting.name: setting for setting in known_settings()}

MEDIA = "${VIDEOVAULT_MEDIA_FOLDER:-videovault-media}:/media:ro"

FIXED_IN_CONTAINERS = ("_HOST", "_PORT", "_DB_USER", "_DB_NAME", "_DB_SCHEMA")
"""Settings that images, volumes and pg_hba.conf fix; `.env` has them for a stack without containers."""


def default_of(text: str) -> str:
    """The default of `${NAME:-default}`."""
    found = re.fullmatch(r"\$\{\w+:-(.*)\}", text)
    return found[1] if found else text


def server_configuration() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in ROOT.joinpath("deploy/postgres/postgresql.conf").read_text().splitlines():
        name, separator, value = line.partition(" = ")
        if separator and not line.startswith("#"):
            found[name] = value.strip("'")
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_each_of_its_settings_that_the_environment_gives(service: str) -> None:
    told = set(DEFINED[service]["environment"])
    wanted = {
        name
        for name, setting in SETTINGS.items()
        if service in setting.services
        and not name.endswith(FIXED_IN_CONTAINERS)
        # Secrets come in files, except a connection string, which contains one.
        and (not setting.secret or name.endswith("_URL"))
        and (not name.endswith("_FILE") or SETTINGS[name.removesuffix("_FILE")].secret)
    }
    assert wanted - told == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_nothing_that_is_not_its_own(service: str) -> None:
    strange = {name for name in DEFINED[service]["environment"] if service not in SETTINGS[name].services}
    assert strange == set()
    media = [MEDIA, "videovault-cache:/var/cache/quartet"] if service == "videovault" else []
    assert DEFINED[service]["volumes"] == [f"{service}-secrets:/run/secrets/{service}:ro", *media]


def test_the_operator_scans_the_folder_that_videovault_has() -> None:
    told, videovault = DEFINED["quartet"], DEFINED["videovault"]
    assert MEDIA in told["volumes"]
    assert (
        told["environment"]["VIDEOVAULT_MEDIA_ROOTS"]
        == videovault["environment"]["VIDEOVAULT_MEDIA_ROOTS"]
        == "/media"
    )


@pytest.mark.parametrize("name", ["migrate", "quartet"])
def test_the_operator_is_told_known_settings_only(name: str) -> None:
    assert set(DEFINED[name]["environment"]) - set(SETTINGS) == set()


def test_the_operator_asks_stripe_as_payment_does() -> None:
    told, payment = DEFINED["quartet"]["environment"], DEFINED["payment"]["environment"]
    stripe = {name: value for name, value in payment.items() if name.startswith("STRIPE_")}
    assert stripe
    assert {name: value for name, value in told.items() if name.startswith("STRIPE_")} == stripe


def test_each_generated_secret_may_be_given() -> None:
    assert set(DEFINED["secrets"]["environment"]) == {*GENERATED, "GRAFANA_ADMIN_PASSWORD"}


def test_every_port_is_published_on_loopback_only() -> None:
    ports = {name: service.get("ports", []) for name, service in DEFINED.items()}
    assert {name for name, published in ports.items() if published} == {
        *SERVICES,
        "shared-postgres",
        "stripe-standin",
        "prometheus",
        "grafana",
    }
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)


@pytest.mark.parametrize("service", SERVICES)
def test_published_port_image_and_setting_agree(service: str) -> None:
    name = f"{service.upper()}_PORT"
    port = SETTINGS[name].default
    assert DEFINED[service]["ports"] == [f"127.0.0.1:${{{name}:-{port}}}:{port}"]
    dockerfile = ROOT.joinpath("Dockerfile").read_text()
    assert f"{name}={port}\nEXPOSE {port}\n" in dockerfile


def test_payment_the_browser_and_the_standin_for_stripe_find_each_other() -> None:
    standin, payment = DEFINED["stripe-standin"], DEFINED["payment"]
    port = SETTINGS["STRIPE_STANDIN_PORT"].default
    published = f"127.0.0.1:${{STRIPE_STANDIN_PORT:-{port}}}"
    assert standin["ports"] == [f"{published}:{port}"]
    assert default_of(payment["environment"]["STRIPE_STANDIN_URL"]) == f"http://stripe-standin:{port}"
    options = read_arguments(standin["command"])
    assert (options.host, options.port, options.url) == ("0.0.0.0", int(port or 0), f"http://{published}")  # noqa: S104
    assert options.webhook_url == [f"http://payment:{SETTINGS['PAYMENT_PORT'].default}{WEBHOOKS}"]
    assert default_of(standin["scale"]) == SETTINGS["STRIPE_STANDIN"].default == "1"


@pytest.mark.parametrize("service", SERVICES)
def test_the_engine_waits_longer_than_a_service_takes_to_stop(service: str) -> None:
    drain = float(default_of(DEFINED[service]["environment"]["SHUTDOWN_DRAIN_SECONDS"]))
    grace = float(SETTINGS["SHUTDOWN_GRACE_SECONDS"].default or 0)
    limit = default_of(DEFINED[service]["stop_grace_period"].removesuffix("s"))
    assert drain > 0
    assert limit == SETTINGS["SHUTDOWN_KILL_SECONDS"].default
    assert float(limit) > longest_stop(drain_seconds=drain, grace_seconds=grace)


def test_closing_has_time_for_the_last_mails_and_spans() -> None:
    assert mail.STOP_SECONDS + trace_export.STOP_SECONDS < CLOSING_SECONDS


def test_the_server_has_a_connection_for_each_that_the_roles_may_open() -> None:
    assert int(server_configuration()["max_connections"]) >= Plan.generated().max_connections


def test_the_server_in_a_container_behaves_as_the_embedded_one() -> None:
    binaries = Binaries(bindir=Path("/nowhere/bin"), major=18, source="system")
    embedded = server_settings(binaries, port=5432, max_connections=100, socket_folder=Path("/run"))
    place = ("listen_addresses", "port", "max_connections", "shared_preload_libraries")
    wanted = {
        name: value
        for name, value in embedded.items()
        if name not in place and not name.startswith("unix_socket")
    }
    found = server_configuration()
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["shared_preload_libraries"] == "pg_stat_statements"


def test_versions_are_arguments_with_the_same_defaults_everywhere() -> None:
    dockerfile = ROOT.joinpath("Dockerfile").read_text()
    for service in DEFINED.values():
        for name, value in service.get("build", {}).get("args", {}).items():
            if name.endswith("_IMAGE"):
                assert f"ARG {name}={default_of(value)}\n" in dockerfile


def test_prometheus_and_grafana_run_without_privileges_and_only_when_they_are_asked_for() -> None:
    for name in ("prometheus", "grafana"):
        defined = DEFINED[name]
        assert defined["profiles"] == ["observability"]
        assert defined["read_only"] is True
        assert defined["cap_drop"] == ["ALL"]
        assert int(defined["user"].split(":")[0]) > 0
    grafana = DEFINED["grafana"]
    path = "/run/secrets/grafana/admin_password"
    assert grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == path
    assert grafana["volumes"] == ["grafana-secrets:/run/secrets/grafana:ro"]
    assert f"--grafana-uid {grafana['user'].split(':')[0]}" in DEFINED["secrets"]["command"][0]


@pytest.mark.parametrize("name", ["PROMETHEUS_IMAGE", "GRAFANA_IMAGE"])
def test_images_of_others_are_pinned_by_an_exact_version(name: str) -> None:
    default = SETTINGS[name].default
    assert default is not None
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", default)
    assert f"ARG {name}={default}\n" in ROOT.joinpath("Dockerfile").read_text()


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_the_ports_of_prometheus_and_grafana_are_settings(name: str) -> None:
    setting = SETTINGS[f"{name.upper()}_PORT"]
    assert DEFINED[name]["ports"] == [f"127.0.0.1:${{{setting.name}:-{setting.default}}}:{setting.default}"]


def test_what_the_images_copy_is_sent_to_the_engine() -> None:
    sent = [line[1:] for line in ROOT.joinpath(".dockerignore").read_text().splitlines() if line[:1] == "!"]
    copied = re.findall(
        r"^COPY (?:--\S+ )*(deploy/\S+)", ROOT.joinpath("Dockerfile").read_text(), re.MULTILINE
    )
    assert {path for path in copied if not path.startswith(tuple(sent))} == set()
