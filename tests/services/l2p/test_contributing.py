"""The example of CONTRIBUTING.md is code of the house: formatted, checked, and run by its own test."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from l2p.main import create_app
from l2p.settings import Settings
from tests.clients import quick_hasher, running
from tests.services.l2p.players import Crowd
from tests.tokens import TokenMint

ROOT = Path(__file__).parents[3]

EXAMPLE = {
    Path(path): code
    for path, code in re.findall(
        r"^```python\n# (\S+)\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
    )
}

FIRST_PARTY = 'lint.isort.known-first-party = ["l2p"]'
"""Said of the package, since ruff looks for the modules, which are not there."""


def test_it_has_every_part_of_a_feature() -> None:
    names = ["schemas.py", "errors.py", "repository.py", "service.py", "routes.py", "test_readiness.py"]
    assert [path.name for path in EXAMPLE] == names


@pytest.mark.parametrize("path", EXAMPLE, ids=str)
@pytest.mark.parametrize(
    "check", [["check", "--config", FIRST_PARTY], ["format", "--check"]], ids=["lint", "format"]
)
def test_it_is_formatted_and_free_of_likely_mistakes(path: Path, check: list[str]) -> None:
    command = [sys.executable, "-m", "ruff", *check, "--no-cache", "--stdin-filename", str(path), "-"]
    done = subprocess.run(command, cwd=ROOT, input=EXAMPLE[path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_it_does_what_its_test_says(
    settings: Settings, mint: TokenMint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Outside of `l2p`, whose own errors and routes other tests list.
    folder = tmp_path / "readiness"
    folder.mkdir()
    for path, code in EXAMPLE.items():
        (folder / path.name).write_text(code.replace("l2p.readiness", "readiness"))
    monkeypatch.syspath_prepend(tmp_path)
    app = create_app(settings, issuers=[mint.issuer], hasher=quick_hasher())
    app.include_router(importlib.import_module("readiness.routes").router)
    test = importlib.import_module(
        "readiness.test_readiness"
    ).test_a_player_is_ready_and_a_stranger_is_refused
    async with running(app) as client:
        await test(Crowd(client, mint))
