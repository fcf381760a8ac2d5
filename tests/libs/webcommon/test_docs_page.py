"""The page at `/docs` loads nothing from other hosts."""

import re

import httpx
from pydantic import SecretStr

from auth.main import create_app
from auth.settings import Settings
from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings


async def test_docs_page_loads_nothing_from_other_hosts() -> None:
    url = DatabaseUrl(user="nobody", hosts=(("127.0.0.1", 1),), database="nothing")
    app = create_app(Settings(secret=SecretStr("x" * 32), database=DatabaseSettings(url=url)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        page = await client.get("/docs")
        assert page.status_code == 200
        wanted = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text) + re.findall(
            r"url: '([^']+)'", page.text
        )
        assert "/openapi.json" in wanted
        assert len(wanted) >= 4
        for address in wanted:
            assert address.startswith("/"), f"{address} is on another host"
            assert (await client.get(address)).status_code == 200, address
