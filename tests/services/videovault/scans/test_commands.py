"""`quartet videovault …`, called as `quartet` calls it, and `videovault`."""

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from dbcommon.engine import Database
from tests.services.videovault.library import settings_for
from tests.services.videovault.scans.folders import Films
from videovault.commands import group
from videovault.scans.watching import watch_roots
from videovault.settings import Settings
from webcommon.commands import Failure


class _Access:
    """The settings of one library."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def settings(self, service: str) -> Settings:
        assert service == "videovault"
        return self._settings


async def call(films: Films, *arguments: str, settings: Settings | None = None) -> tuple[int, str]:
    """Run `quartet videovault` with these arguments; the exit code and what was said."""
    return await asyncio.to_thread(_call, settings or films.library.app.component(Settings), arguments)


def _call(settings: Settings, arguments: tuple[str, ...]) -> tuple[int, str]:
    output = io.StringIO()
    command = typer.main.get_command(group)
    with contextlib.redirect_stdout(output):
        try:
            code = command(list(arguments), standalone_mode=False, obj=_Access(settings)) or 0
        except Failure as failure:
            return failure.exit_code, str(failure)
    return code, output.getvalue()


async def test_a_folder_is_made_a_root_and_scanned(films: Films, folder: Path) -> None:
    new = Films(films.library, folder.with_name(f"{folder.name} new"), "")
    new.write("a.mp4")
    new.write("sub/empty.mp4", "")

    code, said = await call(films, "scan", str(new.folder))

    assert (code, said) == (
        0,
        f"done: 2 added, 1 hashed, 1 opened\n  empty: {new.folder}/sub/empty.mp4: it has no bytes\n",
    )
    assert set(await new.ids()) == {"a.mp4", "sub/empty.mp4"}
    code, said = await call(films, "scan", str(new.folder / "sub"), "--json")
    (scan,) = json.loads(said)
    assert (code, scan["status"], scan["result"]["unchanged"]) == (0, "done", 2)
    assert await films.library.value("SELECT count(*) FROM roots") == 2
    assert (await call(films, "scan"))[1] == (
        f"done: no films\ndone: 2 unchanged\n  empty: {new.folder}/sub/empty.mp4: it has no bytes\n"
    )
    assert "2 hashed" not in (await call(films, "scan", "--full"))[1]


async def test_a_root_that_is_not_there_is_told_by_the_exit_code(films: Films) -> None:
    films.folder.rmdir()

    code, said = await call(films, "scan")

    assert (code, said.splitlines()[0]) == (1, "root unreachable: no films")


async def test_a_setting_that_does_not_name_a_root_makes_nothing_missing(films: Films) -> None:
    films.write("a.mp4")
    await films.scan()
    database = films.library.app.component(Settings).database

    code, said = await call(films, "scan", settings=settings_for(database, media_roots="/nowhere"))

    assert (code, said.splitlines()[0]) == (1, "root unreachable: no films")
    assert "VIDEOVAULT_MEDIA_ROOTS" in said
    assert set(await films.ids()) == {"a.mp4"}


async def test_names_on_the_terminal_are_harmless(films: Films) -> None:
    films.write("a\x1b[31m\nb.mp4", "")

    _, said = await call(films, "scan")

    assert said.splitlines()[1] == f"  empty: {films.folder}/a\\x1b[31m\\nb.mp4: it has no bytes"


async def test_what_cannot_be_scanned_is_said_in_a_line(films: Films) -> None:
    films.write("a.mp4")
    code, said = await call(films, "scan", "/usr")
    assert (code, "VIDEOVAULT_MEDIA_ROOTS" in said) == (1, True)
    await films.library.execute("DELETE FROM roots")
    assert await call(films, "scan") == (1, "There is no root to scan: Name a folder.")
    code, said = await call(films, "scan", settings=settings_for(None))
    assert (code, "the browser keeps it" in said) == (1, True)


async def test_a_scan_of_another_process_is_waited_for(films: Films) -> None:
    films.write("a.mp4")
    begun = await films.begin({"root_id": films.root_id})

    _, said = await call(films, "scan", "--json")

    assert json.loads(said)[0]["status"] == "done"
    assert begun.status_code == 202
    assert len(await films.ids()) == 1


@pytest.mark.long
def test_the_program_of_the_service_reads_the_environment() -> None:
    program = str(Path(sys.executable).with_name("videovault"))
    environment = {"PATH": os.environ["PATH"], "VIDEOVAULT_SECRET": "short"}

    ended = subprocess.run(
        [program, "scan", "/tmp"],  # noqa: S108 - it is not looked at
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("videovault: VIDEOVAULT_SECRET: ")


async def test_changes_are_followed_until_the_end(films: Films) -> None:
    films.write("a.mp4")
    stop = asyncio.Event()
    database, settings = films.library.app.component(Database), films.library.app.component(Settings)
    root_ids = [row["id"] for row in (await films.library.get("/v1/roots")).json()["items"]]
    scans = watch_roots(database, settings, root_ids, stop=stop)
    async with asyncio.timeout(60):
        first = await anext(scans)
        films.write("b.mp4")
        second = await anext(scans)
        films.rename(("a.mp4", "new/c.mp4"))
        while (third := await anext(scans)).result.moved == 0:
            pass  # a change of a folder may come before that of the film in it
        stop.set()
        assert [scan async for scan in scans] == []

    assert (first.result.added, second.result.added, third.result.added) == (1, 1, 0)
    assert set(await films.ids()) == {"b.mp4", "new/c.mp4"}


async def test_a_root_that_is_not_utf_8_cannot_be_watched(films: Films) -> None:
    await films.library.execute("UPDATE roots SET path_bytes = '\\x2fff'")

    code, said = await call(films, "watch")

    assert (code, "it is not UTF-8" in said) == (1, True)


@pytest.mark.parametrize("arguments", [["scan", "--help"], ["watch", "--help"]])
async def test_help_says_the_exit_codes(films: Films, arguments: list[str]) -> None:
    _, said = await call(films, *arguments)
    assert "Exit codes: 0" in said
