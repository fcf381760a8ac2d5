"""What `make` does about an environment that is missing or half made."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def make_environment(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run the rule of the environment in a folder, without what is installed into it afterwards."""
    return subprocess.run(
        ["/usr/bin/env", "make", "-f", MAKEFILE, ".venv/bin/pip", f"PYTHON={python}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.long
def test_half_made_environment_is_made_again(tmp_path: Path) -> None:
    venv.create(tmp_path / ".venv", with_pip=False)  # what is left where ensurepip is missing
    (tmp_path / ".venv/left-over").touch()
    done = make_environment(tmp_path, sys.executable)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".venv/left-over").exists()
    subprocess.run([tmp_path / ".venv/bin/python", "-m", "pip", "--version"], check=True, capture_output=True)


def test_whole_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("python", "pip"):
        (tmp_path / ".venv/bin" / name).touch()
    assert "up to date" in make_environment(tmp_path, "/nowhere/python3").stdout


def test_python_without_its_venv_module_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -c ]; then exit 0; fi\n'
        "mkdir -p .venv/bin && touch .venv/bin/python && exit 1  # as Debian's does without python3-venv\n"
    )
    python.chmod(0o755)
    done = make_environment(tmp_path, str(python))
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
