"""What `streams.py` compares with: Starlette's own response with a file, and nothing else.

Run as `python benchmarks/bare_streams.py PORT FILE`.
"""

import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from measuring import answer


async def stream(_request: Request) -> FileResponse:
    """The file, or the range of it that is asked for."""
    return FileResponse(sys.argv[2])


if __name__ == "__main__":
    answer(Starlette(routes=[Route("/{path:path}", stream)]))
