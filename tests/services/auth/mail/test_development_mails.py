"""The folder for mails without a mail server."""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from auth.mail.delivery import CannotDeliver, FolderDelivery, Letter
from auth.mail.messages import Message
from auth.settings import Settings
from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, make_app, register
from tests.services.auth.conftest import NewDatabase

LETTER = Letter(
    id=uuid4(),
    recipient="ada@example.com",
    created_at=datetime.now(UTC),
    message=Message(subject="Hello", text="Hello", html="<p>Hello</p>"),
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parent of temporary folders."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def folder_of(url: str, **changed: Any) -> Path:
    database = DatabaseSettings(url=DatabaseUrl.parse(url))
    return Settings(database=database, secret=SecretStr("s" * 32), **changed).development_folder


def modes_in(folder: Path) -> list[int]:
    return [entry.stat().st_mode & 0o777 for entry in folder.iterdir()]


async def test_all_processes_on_a_database_show_all_mails_the_newest_first(
    new_auth_database: NewDatabase, temporary: Path
) -> None:
    database: AuthDatabase = await new_auth_database()
    apps = [make_app(database.settings, mail_folder=None, port=port) for port in (5500, 5501)]
    async with running(apps[0]) as one, running(apps[1]) as other:
        people = [await register(client) for client in (one, other) * 3]
        shown = [(await client.get("/dev/mails")).json()["items"] for client in (one, other)]
    assert [mail["to"] for mail in shown[0]] == [person.email for person in reversed(people)]
    assert shown[0] == shown[1]
    assert modes_in(temporary) == [0o700]


def test_each_database_has_a_folder_of_its_own(temporary: Path) -> None:
    urls = [
        "postgresql://auth:first@localhost/auth_db",
        "postgresql://auth:first@localhost:5433/auth_db",
        "postgresql://auth:first@db.example.com/auth_db",
        "postgresql://auth:first@localhost/other_db",
    ]
    folders = [folder_of(url) for url in urls]
    assert len(set(folders)) == len(urls)
    assert {folder.parent for folder in folders} == {temporary}
    again = folder_of("postgresql://owner:second@localhost:5432/auth_db?sslmode=disable", port=5501)
    assert again == folders[0]
    assert folder_of(urls[0], mail_folder="/srv/mails") == Path("/srv/mails")


async def test_a_folder_of_another_user_is_neither_written_nor_read(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = FolderDelivery(temporary / "mails", sender="no-reply@localhost")
    assert await delivery.read_all() == []
    await delivery.deliver(LETTER)
    assert [mail.subject for mail in await delivery.read_all()] == ["Hello"]
    another = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: another)
    assert await delivery.read_all() == []
    with pytest.raises(CannotDeliver, match="belongs to another user; set AUTH_MAIL_FOLDER"):
        await delivery.deliver(LETTER)
