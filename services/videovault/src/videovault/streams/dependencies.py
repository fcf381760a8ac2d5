"""What routes that read files ask for."""

from typing import Annotated

from videovault.streams.body import OpenStreams
from webcommon.app.state import component

OpenStreamsDep = Annotated[OpenStreams, component(OpenStreams)]
"""The streams of this process, and the threads that read for them."""
