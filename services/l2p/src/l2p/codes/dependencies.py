"""The dependency of routes that take a lobby's code."""

from typing import Annotated

from l2p.codes.service import CodeFinder
from webcommon.app.state import component

CodesDep = Annotated[CodeFinder, component(CodeFinder)]
