"""The studio in a real Chromium: it asks nobody else for anything, runs nothing that stands in a row, and works."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.conftest import CopyDatabase
from tests.ops.inspected import connected
from tests.ops.studio.running import settings_of, studio
from tests.servers import TestServer

pytestmark = pytest.mark.long

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


class Visit:
    """A page, what it asked for, and what the browser complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.asked_elsewhere: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._note_request)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.address}/", "data:")):
            self.asked_elsewhere.append(request.url)

    async def go(self, path: str) -> None:
        """Open a page of the studio."""
        await self.page.goto(f"{self.address}{path}", wait_until="networkidle")


async def test_rows_are_found_edited_and_deleted_and_nobody_else_is_asked(
    server: TestServer, copy_database: CopyDatabase, chromium: Browser
) -> None:
    copied = await copy_database("l2p")
    async with connected(server, "l2p", "admin", database=copied.url.database) as admin:
        await admin.execute("INSERT INTO users (username) SELECT 'player' || i FROM generate_series(1, 30) i")
        await admin.execute("UPDATE users SET username = $1 WHERE username = 'player7'", HOSTILE)
        with studio("l2p", "--write", **settings_of(server, l2p=copied)) as running:
            context = await chromium.new_context()
            visit = Visit(await context.new_page(), running.address)
            await visit.page.goto(running.url)
            await visit.page.wait_for_url("**/l2p/answers/list")
            await _look_around(visit)
            await _change(visit, admin)
            assert visit.asked_elsewhere == []
            assert visit.complaints == []
            await context.close()


async def _look_around(visit: Visit) -> None:
    page = visit.page
    await visit.go("/l2p/users/list")
    await expect(page.locator("tbody tr")).to_have_count(25)
    await page.get_by_label("Next page").click()
    await expect(page.locator("tbody tr")).to_have_count(5)
    await visit.go("/l2p/users/list?q=onerror")
    await page.locator("tbody tr").first.click()
    await page.wait_for_url("**/detail**")
    await expect(page.locator("#tableContent")).to_contain_text(HOSTILE)
    assert await page.title() == "users"
    assert await page.evaluate("document.cookie.includes('quartet_studio')") is False


async def _change(visit: Visit, admin: Any) -> None:
    page = visit.page
    await page.get_by_text("Edit", exact=True).click()
    await page.locator("#username").fill("renamed")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator(".alert-success")).to_contain_text("changed successfully")
    assert await admin.fetchval("SELECT count(*) FROM users WHERE username = 'renamed'") == 1
    await visit.go("/l2p/users/list?q=renamed")
    await page.get_by_label("Delete").click()
    await page.get_by_role("button", name="Yes, delete").click()
    await expect(page.locator(".alert-success")).to_contain_text("successfully deleted")
    assert await admin.fetchval("SELECT count(*) FROM users") == 29
