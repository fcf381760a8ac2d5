"""HEAD at all four services, over the wire."""

from pathlib import Path

import httpx
import pytest

from tests.conftest import CopyDatabase
from tests.suite.stack import FIRST_PATHS, running_stack


@pytest.mark.long
async def test_head_tells_what_get_does_and_leaves_the_connection_ready(
    copy_database: CopyDatabase, tmp_path: Path
) -> None:
    async with running_stack(copy_database, folder=tmp_path) as stack:
        for running in stack.everywhere:
            one = httpx.Limits(max_connections=1)
            async with httpx.AsyncClient(base_url=running.client.base_url, limits=one) as client:
                for path in (FIRST_PATHS[running.service], "/openapi.json", "/livez", "/nowhere"):
                    request_id = {"X-Request-ID": "one"}
                    answer = await client.head(path, headers=request_id)
                    whole = await client.get(path, headers=request_id)
                    told = [{**response.headers, "date": ""} for response in (answer, whole)]
                    assert (answer.status_code, told[0], answer.content) == (
                        whole.status_code,
                        told[1],
                        b"",
                    )
                    assert whole.content
