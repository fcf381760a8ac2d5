"""VideoVault: a video library with tags and a watch history."""

from importlib.metadata import version

__version__ = version("quartet-videovault")
