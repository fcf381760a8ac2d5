"""`quartet report` holds what it promises, and none of the secrets."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quartet.report.parts import PARTS
from quartet.report.redaction import Redactor
from quartet.settings.operator import GENERATED
from quartet.settings.secrets_file import ensure_secrets
from tests.ops.command import Workplace, workplace
from tests.ops.inspected import call, connected, settings_for
from tests.servers import TestServer


@pytest.fixture
def place(bare_server: TestServer) -> Iterator[Workplace]:
    """A folder with generated secrets of its own and a log, told of a server with others."""
    told = settings_for(bare_server) | {"AWS_SECRET_ACCESS_KEY": "a/b+c d'e of the store"}
    with workplace(**told) as made:
        made.home.mkdir()
        (made.home / "logs").mkdir()
        secrets = ensure_secrets(made.home, GENERATED)
        lines = [
            f"{number}: connecting by {name}={value}" for number, (name, value) in enumerate(secrets.items())
        ]
        lines += [
            f"postgresql://l2p_user:{bare_server.plan['l2p'].user_password}@db/l2p_db",
            "the last line, über",
        ]
        (made.home / "logs/auth.log").write_text("first\n" * 5000 + "\n".join(lines) + "\n")
        yield made


def read(path: Path) -> dict[str, str]:
    """The files of an archive by their names within its folder."""
    with tarfile.open(path) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }


async def test_the_archive_holds_every_part_and_no_secret(bare_server: TestServer, place: Workplace) -> None:
    async with connected(bare_server) as session:
        await session.execute("SELECT 1 AS seen")
    done = await call(place, "report", "--output", "r.tar.gz", "--lines", "100")
    assert done.returncode == 0, done.stderr
    archive = place.folder / "r.tar.gz"
    assert archive.stat().st_mode & 0o777 == 0o600
    files = read(archive)
    assert set(files) == {f"{name}.json" for name in PARTS} | {"logs/auth.log"}
    found: dict[str, Any] = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    assert found["doctor.json"]["checks"]["server"] == "pass"
    assert set(found["health.json"]) == {"postgres", "auth", "l2p", "payment", "videovault"}
    assert "SELECT $1 AS seen" in [each["statement"] for each in found["slow.json"]["services"]["l2p"]]
    assert found["locks.json"] == []
    assert found["server.json"]["version"].startswith("PostgreSQL")
    assert {"name": "max_connections", "setting": "300"}.items() <= next(
        each for each in found["server.json"]["settings"] if each["name"] == "max_connections"
    ).items()
    assert "asyncpg" in found["versions.json"]["packages"]
    assert found["settings.json"]["POSTGRES_HOST"] == {"value": "127.0.0.1", "source": "given"}
    assert found["settings.json"]["L2P_DB_PASSWORD"] == {"value": "***", "source": "given"}
    log = files["logs/auth.log"].splitlines()
    assert (len(log), log[-1]) == (100, "the last line, über")
    assert log[-2] == "postgresql://***@db/l2p_db"
    secrets = {*ensure_secrets(place.home, ()).values(), *place.told.values()} - {
        place.told["POSTGRES_HOST"],
        place.told["POSTGRES_PORT"],
    }
    assert len(secrets) > len(GENERATED)
    text = "\n".join(files.values())
    assert [secret for secret in secrets if secret in text or json.dumps(secret)[1:-1] in text] == []


async def test_a_report_of_a_broken_system_says_what_is_missing(place: Workplace) -> None:
    done = await call(place, "report", POSTGRES_PORT="1")
    assert done.returncode == 1
    (archive,) = place.folder.glob("quartet-report-*.tar.gz")
    files = read(archive)
    missing = json.loads(files["missing.json"])
    assert set(missing) == {"slow", "locks", "connections", "sizes", "server"}
    assert {"doctor.json", "health.json", "versions.json", "settings.json", "logs/auth.log"} <= set(files)
    assert "without slow: no connection to postgres" in done.stderr


async def test_a_file_that_is_there_is_not_replaced(place: Workplace) -> None:
    (place.folder / "r.tar.gz").write_text("precious")
    done = await call(place, "report", "--output", "r.tar.gz", POSTGRES_PORT="1")
    assert (done.returncode, (place.folder / "r.tar.gz").read_text()) == (17, "precious")


@pytest.mark.parametrize(
    ("told", "clean"),
    [
        ("it was s3cret/key+long!", "it was ***"),
        ("as a part of a URL: s3cret%2Fkey%2Blong%21", "as a part of a URL: ***"),
        ("postgresql://a:unknown@db/x", "postgresql://***@db/x"),
        ("redis://:unknown@db/0", "redis://***@db/0"),
        ("tiny stands in tinyness", "*** stands in tinyness"),
        ("rolpassword SCRAM-SHA-256$4096:c2FsdA==$a:b", "rolpassword ***"),
        ("AGE-SECRET-KEY-1QQQQ", "***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_replaced_however_they_are_written(told: str, clean: str) -> None:
    redactor = Redactor(["s3cret/key+long!", "tiny"])
    assert redactor.text(told) == clean
    assert redactor.value({"a": [told, 1, None]}) == {"a": [clean, 1, None]}
