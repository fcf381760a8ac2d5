"""VideoVault: what videos there are, how they are tagged, and how far they were watched."""

from importlib.metadata import version

__version__ = version("quartet-videovault")
