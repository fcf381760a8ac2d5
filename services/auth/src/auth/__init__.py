"""Accounts, sessions and tokens of the Quartet suite."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("quartet-auth")
except PackageNotFoundError:
    # Run from a source tree that was never installed.
    __version__ = "0.1.0"
