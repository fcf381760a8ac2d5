"""Settings and secrets of the operator's command."""

import json
import os
import stat
from pathlib import Path

import pytest

from quartet.container_secrets import write_container_secrets
from quartet.errors import NotFound, WrongSettings
from quartet.provision.plan import SERVICES
from quartet.settings import known_settings, load_settings
from quartet.settings.catalogue import recall_settings
from quartet.settings.example import environment_example
from quartet.settings.operator import GENERATED, OperatorSettings, Server
from quartet.settings.secrets_file import ensure_secrets, read_secrets
from tests.ops.command import workplace

SERVER = Server("127.0.0.1", 5433)
ROOT = Path(__file__).parents[2]


def settings_of(folder: Path, **given: str) -> OperatorSettings:
    return load_settings(folder=folder, environ=given)


def test_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('AUTH_PORT=1\nL2P_PORT=2\nLOG_LEVEL="debug" # why not\nDB_POOL_MAX=\n')
    settings = settings_of(tmp_path, AUTH_PORT="3")
    found = {name: settings.value(name) for name in ("AUTH_PORT", "L2P_PORT", "LOG_LEVEL", "DB_POOL_MAX")}
    assert found == {"AUTH_PORT": "3", "L2P_PORT": "2", "LOG_LEVEL": "debug", "DB_POOL_MAX": "10"}


def test_password_in_the_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    password = "p@ss:/w%rd?#[]é $HOME ${x}"
    (tmp_path / ".env").write_text(f"AUTH_DB_PASSWORD='{password}'\n")
    settings = settings_of(tmp_path)
    assert settings.secret("AUTH_DB_PASSWORD") == password
    assert settings.database_url("auth", server=SERVER).password == password


def test_every_unknown_name_has_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AUTH_PROT=1\nNONSENSE=2\n")
    with pytest.raises(WrongSettings) as caught:
        settings_of(tmp_path, QUARTET_HOEM="x", AUTH_TOKEN="x", HOME="/root", EDITOR="vi")
    lines = str(caught.value).splitlines()
    assert [line.split()[2].rstrip(":") for line in lines] == ["AUTH_PROT", "NONSENSE", "QUARTET_HOEM"]
    assert "QUARTET_HOME" in lines[2]


def test_all_names_of_the_interface_are_known() -> None:
    names = {setting.name for setting in known_settings()}
    own = (
        "HOST PORT SECRET SECRET_FILE CORS_ORIGINS DATABASE_URL DB_USER DB_PASSWORD DB_PASSWORD_FILE DB_NAME"
    )
    own += " DB_SCHEMA DB_OPTIONS DB_OWNER_PASSWORD DB_OWNER_PASSWORD_FILE"
    for service in SERVICES:
        assert {f"{service.upper()}_{name}" for name in own.split()} <= names
    shared = "QUARTET_ENV POSTGRES_HOST POSTGRES_PORT DB_POOL_MIN DB_POOL_IDLE_SECONDS LOG_FORMAT AUTH_ISSUER"
    assert {*shared.split(), "SHUTDOWN_DRAIN_SECONDS", "QUARTET_HOME", "PG_BINDIR"} <= names


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "http://127.0.0.1:5500/.well-known/jwks.json"),
        ({"AUTH_PORT": "5600"}, "http://127.0.0.1:5600/.well-known/jwks.json"),
        ({"AUTH_HOST": "0.0.0.0"}, "http://127.0.0.1:5500/.well-known/jwks.json"),  # noqa: S104 - a value
        ({"AUTH_HOST": "::"}, "http://[::1]:5500/.well-known/jwks.json"),
        ({"AUTH_HOST": "10.1.2.3"}, "http://10.1.2.3:5500/.well-known/jwks.json"),
        ({"AUTH_ISSUER": "http://localhost:5500"}, "http://127.0.0.1:5500/.well-known/jwks.json"),
        (
            {"AUTH_ISSUER": "http://LOCALHOST:6520/", "AUTH_PORT": "6520"},
            "http://127.0.0.1:6520/.well-known/jwks.json",
        ),
        (
            {"AUTH_ISSUER": "http://127.0.0.1:5500", "AUTH_HOST": "::1"},
            "http://[::1]:5500/.well-known/jwks.json",
        ),
        ({"AUTH_ISSUER": "http://[::1]:5500"}, "http://127.0.0.1:5500/.well-known/jwks.json"),
        ({"AUTH_ISSUER": "https://auth.example.com"}, None),
        ({"AUTH_ISSUER": "http://auth.example.com:5500"}, None),
        ({"AUTH_ISSUER": "https://localhost:5500"}, None),
        ({"AUTH_ISSUER": "http://localhost:5500", "AUTH_PORT": "5600"}, None),
        ({"AUTH_ISSUER": "http://localhost:5500/auth"}, None),
        ({"AUTH_ISSUER": "http://localhost:x"}, None),
        ({"AUTH_JWKS_URL": "http://auth:5500/keys"}, "http://auth:5500/keys"),
    ],
)
def test_services_fetch_the_keys_where_auth_listens_whatever_localhost_is(
    tmp_path: Path, given: dict[str, str], told: str | None
) -> None:
    settings = settings_of(tmp_path, **given)
    for service in SERVICES:
        environment = settings.service_environment(service, server=SERVER, process={})
        assert environment.get("AUTH_JWKS_URL") == told


def test_no_setting_is_listed_twice() -> None:
    names = [setting.name for setting in known_settings()]
    assert len(names) == len(set(names))


def test_remembered_settings_are_those_of_the_services(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.prepare_home()
    assert recall_settings(settings.home.remembered_settings) == known_settings()
    content = json.loads(settings.home.remembered_settings.read_text())
    content["fingerprint"][0][1] += 1  # a service's settings were changed since
    settings.home.remembered_settings.write_text(json.dumps(content))
    assert recall_settings(settings.home.remembered_settings) is None
    settings.home.remembered_settings.write_text("{half")
    assert recall_settings(settings.home.remembered_settings) is None


def test_secrets_are_generated_once_and_for_their_owner_only(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path, GENERATED)
    assert set(first) == set(GENERATED)
    assert len(set(first.values())) == len(GENERATED)
    assert min(len(value) for value in first.values()) >= 32
    assert ensure_secrets(tmp_path, GENERATED) == first == read_secrets(tmp_path)
    path = tmp_path / "secrets.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    ensure_secrets(tmp_path, GENERATED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secret_that_was_given_is_not_generated(tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text("from a file, 32 characters or more\n")
    settings = settings_of(tmp_path, AUTH_SECRET_FILE=str(secret_file), L2P_SECRET="given in the environment")
    settings.prepare_home()
    settings.generate_secrets(cluster_exists=False)
    assert settings.secret("AUTH_SECRET") == "from a file, 32 characters or more"
    assert settings.secret("L2P_SECRET") == "given in the environment"
    assert {"AUTH_SECRET", "L2P_SECRET"}.isdisjoint(read_secrets(settings.home.path))
    assert "PAYMENT_SECRET" in read_secrets(settings.home.path)


def test_secret_and_its_file_together_are_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AUTH_SECRET="a", AUTH_SECRET_FILE="b")
    with pytest.raises(WrongSettings, match="keep one of them"):
        settings.secret("AUTH_SECRET")


def test_service_is_told_nothing_of_the_others(tmp_path: Path) -> None:
    given = {
        "QUARTET_ENV": "development",
        "AUTH_PORT": "15500",
        "AUTH_DB_OWNER_PASSWORD": "owner",
        "HOME": "/x",
    }
    given |= {"L2P_CORS_ORIGINS": "http://a", "POSTGRES_PASSWORD": "super", "DB_POOL_MAX": "4"}
    settings = settings_of(tmp_path, **given)
    settings.prepare_home()
    settings.generate_secrets(cluster_exists=False)
    told = settings.service_environment("auth", server=SERVER, process=given)
    assert told["AUTH_SECRET"] == settings.secret("AUTH_SECRET")
    assert told["AUTH_DB_PASSWORD"] == settings.secret("AUTH_DB_PASSWORD")
    assert (told["POSTGRES_HOST"], told["POSTGRES_PORT"], told["DB_POOL_MAX"], told["HOME"]) == (
        "127.0.0.1",
        "5433",
        "4",
        "/x",
    )
    strange = {name for name in told if name.startswith(("L2P_", "PAYMENT_", "VIDEOVAULT_"))}
    assert strange == set()
    assert {"AUTH_DB_OWNER_PASSWORD", "POSTGRES_PASSWORD", "QUARTET_HOME"}.isdisjoint(told)


def test_issuer_follows_the_port_of_auth_unless_it_was_given(tmp_path: Path) -> None:
    moved = settings_of(tmp_path, AUTH_PORT="15500")
    moved.prepare_home()
    assert moved.value("AUTH_ISSUER") == "http://localhost:15500"
    for service in SERVICES:
        told = moved.service_environment(service, server=SERVER, process={})
        assert told["AUTH_ISSUER"] == "http://localhost:15500"
    given = settings_of(tmp_path, AUTH_PORT="15500", AUTH_ISSUER="https://auth.example.com")
    assert given.value("AUTH_ISSUER") == "https://auth.example.com"


def test_limits_of_the_roles_follow_pool_and_replicas(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, DB_POOL_MAX="20", QUARTET_REPLICAS="3", AUTH_DB_NAME="accounts")
    settings.prepare_home()
    settings.generate_secrets(cluster_exists=False)
    plan = settings.plan()
    assert {service.user_connections for service in plan} == {66}
    assert plan["auth"].database == "accounts"
    assert plan.max_connections >= sum(
        service.user_connections + service.owner_connections for service in plan
    )


def test_complete_url_names_another_server_which_is_not_migrated_without_its_owner(tmp_path: Path) -> None:
    given = {"L2P_DATABASE_URL": "postgresql://someone:x@db.example.com:6000/games?schema=live"}
    settings = settings_of(tmp_path, **given)
    settings.prepare_home()
    settings.generate_secrets(cluster_exists=False)
    assert set(settings.owner_urls(SERVER)) == {"auth", "payment", "videovault"}
    told = settings.service_environment("l2p", server=SERVER, process={})
    assert told["L2P_DATABASE_URL"] == given["L2P_DATABASE_URL"]
    owned = settings_of(tmp_path, **given, L2P_DB_OWNER_PASSWORD="o")
    url = owned.owner_urls(SERVER)["l2p"]
    assert (url.user, url.hosts, url.database, url.schema) == (
        "l2p_owner",
        (("db.example.com", 6000),),
        "games",
        "live",
    )


def test_pictures_are_kept_below_the_state_folder(tmp_path: Path) -> None:
    def told(**given: str) -> str:
        settings = settings_of(tmp_path, **given)
        return settings.service_environment("videovault", server=SERVER, process={})[
            "VIDEOVAULT_CACHE_FOLDER"
        ]

    assert told() == str(settings_of(tmp_path).home.path / "videovault-cache")
    assert told(VIDEOVAULT_CACHE_FOLDER="/srv/pictures") == "/srv/pictures"


def test_postgres_host_names_another_server_than_the_embedded_one(tmp_path: Path) -> None:
    assert settings_of(tmp_path, POSTGRES_HOST="db", POSTGRES_PORT="6000").server() == Server("db", 6000)
    assert settings_of(tmp_path, POSTGRES_HOST="db").server() == Server("db", 5432)
    with pytest.raises(NotFound, match="quartet up"):
        settings_of(tmp_path).server()


def test_example_file_lists_every_setting_commented_out() -> None:
    text = environment_example(known_settings())
    lines = text.splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    for setting in known_settings():
        assert f"#{setting.name}={setting.default or ''}" in lines


def test_example_file_of_the_repository_is_current() -> None:
    """`quartet config example > .env.example` brings it up to date."""
    assert (ROOT / ".env.example").read_text() == environment_example(known_settings())


def test_config_shows_sources_and_hides_secrets() -> None:
    with workplace(LOG_LEVEL="debug", AUTH_DB_PASSWORD="secret-one", L2P_SECRET="secret-two") as place:
        shown = place.call_json("config")
        assert shown["LOG_LEVEL"] == {"value": "debug", "source": "given"}
        assert shown["DB_POOL_MAX"] == {"value": "10", "source": "default"}
        assert shown["AUTH_DB_PASSWORD"] == {"value": "***", "source": "given"}
        table = place.call("config").stdout
        assert "AUTH_PORT" in table
        assert "secret-" not in table
        assert place.call("config", "get", "AUTH_DB_PASSWORD").stdout == "secret-one\n"
        missing = place.call("config", "get", "AUTH_PROT")
        assert (missing.returncode, len(missing.stderr.splitlines())) == (13, 1)
        assert "AUTH_PORT" in missing.stderr
        assert place.call("config", "get", "PAYMENT_SECRET").returncode == 13
        assert not place.home.exists()


def test_config_shows_what_follows_from_other_settings_and_where_it_comes_from() -> None:
    with workplace() as place:
        shown = place.call_json("config")
        issuer = f"http://localhost:{place.ports['auth']}"
        assert shown["AUTH_ISSUER"] == {"value": issuer, "source": "AUTH_PORT"}
        address = f"http://127.0.0.1:{place.ports['auth']}"
        assert shown["AUTH_JWKS_URL"] == {
            "value": f"{address}/.well-known/jwks.json",
            "source": "AUTH_HOST, AUTH_PORT",
        }
        assert shown["AUTH_REVOCATIONS_URL"] == {
            "value": f"{address}/v1/revocations",
            "source": "AUTH_JWKS_URL",
        }
        assert shown["POSTGRES_HOST"] == {"value": "127.0.0.1", "source": "embedded server"}
        assert shown["POSTGRES_PORT"] == {"value": None, "source": "embedded server"}
        place.told |= {
            "POSTGRES_HOST": "db.example",
            "AUTH_JWKS_URL": "http://auth:5500/.well-known/jwks.json",
        }
        shown = place.call_json("config")
        assert shown["POSTGRES_HOST"] == {"value": "db.example", "source": "given"}
        assert shown["POSTGRES_PORT"] == {"value": "5432", "source": "default"}
        assert shown["AUTH_JWKS_URL"] == {
            "value": "http://auth:5500/.well-known/jwks.json",
            "source": "given",
        }
        assert shown["AUTH_REVOCATIONS_URL"]["value"] == "http://auth:5500/v1/revocations"
        assert place.call("config", "get", "POSTGRES_PORT").stdout == "5432\n"


def test_container_secrets_are_made_once_each_in_its_consumers_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert write_container_secrets(folder, service_uid=os.getuid(), postgres_uid=os.getuid()) == 15
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert write_container_secrets(folder) == 0
    assert {path: path.read_text() for path in folder.rglob("*") if path.is_file()} == before
    names = sorted(str(path.relative_to(folder)) for path in before)
    assert {name for name in names if name.startswith(("auth/", "postgres/", "grafana/"))} == {
        "auth/db_password",
        "auth/secret",
        "postgres/postgres_password",
        "grafana/admin_password",
    }
    assert len([name for name in names if name.startswith("migrate/")]) == 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in before} == {0o400}
    same = ("auth/db_password", "migrate/auth_db_password")
    assert len({before[folder / name] for name in same}) == 1
    assert len(set(before.values())) == 15


def test_container_secret_that_is_missing_is_made_without_touching_the_others(tmp_path: Path) -> None:
    write_container_secrets(tmp_path)
    kept = (tmp_path / "l2p/secret").read_text()
    (tmp_path / "migrate").chmod(0o700)
    (tmp_path / "migrate/l2p_db_password").unlink()
    assert write_container_secrets(tmp_path) <= 1
    assert (tmp_path / "migrate/l2p_db_password").read_text() == (tmp_path / "l2p/db_password").read_text()
    assert (tmp_path / "l2p/secret").read_text() == kept


@pytest.mark.parametrize(
    "command", [[], ["up"], ["db"], ["db", "status"], ["config"], ["auth", "grant"], ["secrets", "init"]]
)
def test_every_command_explains_itself(command: list[str]) -> None:
    with workplace() as place:
        done = place.call(*command, "--help", COLUMNS="200")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    if command not in ([], ["db"]):
        assert "Example" in done.stdout
        assert "Exit codes" in done.stdout
