"""The command imports only what the called one needs."""

import sys

from quartet.processes import run

_IMPORTED = """
import atexit, sys
slow = ("sqlalchemy", "alembic", "fastapi", "auth", "l2p", "payment", "videovault", "quartet.settings")
atexit.register(lambda: print([name for name in slow if name in sys.modules], file=sys.stderr))
from quartet.cli import app
app()
"""


def test_help_imports_no_service_and_nothing_slow() -> None:
    done = run([sys.executable, "-c", _IMPORTED, "--help"])
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert "Accounts and signing keys." in done.stdout
