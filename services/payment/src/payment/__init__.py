"""Catalogue, orders and payments."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("quartet-payment")
except PackageNotFoundError:
    __version__ = "0.1.0"
