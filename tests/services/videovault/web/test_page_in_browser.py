"""The page in a real Chromium: content, accessibility, and resistance to injected content."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.contrast import CONTRASTS
from tests.services.videovault.conftest import Serve
from tests.services.videovault.library import Library, settings_for, tag
from videovault.main import create_app

pytestmark = pytest.mark.long

NOTE_VIOLATIONS = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => {
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
    });
"""

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>.mp4"


@dataclass
class Visit:
    """A page, with the warnings and errors of the browser."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Keep a warning or an error of the console."""
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    async def violations(self) -> list[str]:
        """The violations of the Content-Security-Policy."""
        found: list[str] = await self.page.evaluate("window.violations")
        return found

    async def sign_in(self, headers: dict[str, str]) -> None:
        """Paste a token and press the button."""
        await self.page.get_by_label("Access token").fill(headers["Authorization"].removeprefix("Bearer "))
        await self.page.get_by_role("button", name="Show videos").click()


@contextlib.asynccontextmanager
async def visiting(browser: Browser, url: str, **options: Any) -> AsyncIterator[Visit]:
    """The page, opened in a fresh profile."""
    context: BrowserContext = await browser.new_context(**options)
    try:
        await context.add_init_script(NOTE_VIOLATIONS)
        visit = Visit(page=await context.new_page())
        visit.page.on("console", visit.note)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        await visit.page.goto(url)
        yield visit
    finally:
        await context.close()


@pytest_asyncio.fixture
async def visit(chromium: Browser, library_url: str) -> AsyncIterator[Visit]:
    """The page of the library under test."""
    async with visiting(chromium, library_url) as visit:
        yield visit


def storage(page: Page) -> Any:
    """The sentence about where the library is kept."""
    return page.locator("#storage")


async def test_the_page_loads_without_errors_and_says_where_the_library_is(visit: Visit) -> None:
    await expect(storage(visit.page)).to_have_text("In this server\u2019s database (mode: server).")
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text("VideoVault")
    await expect(visit.page.get_by_label("Access token")).to_be_visible()
    assert await visit.page.title() == "VideoVault"
    assert (visit.complaints, await visit.violations()) == ([], [])


async def test_the_mode_is_announced_politely(visit: Visit) -> None:
    await expect(storage(visit.page)).to_have_attribute("aria-live", "polite")
    await expect(visit.page.get_by_role("status").first).to_contain_text("mode: server")


async def test_the_newest_videos_are_listed_for_a_token(visit: Visit, library: Library) -> None:
    await library.add(
        file_name="first.mp4",
        file_path="/v/first.mp4",
        duration_seconds=3725,
        file_size=1_500_000,
        tags=[tag("place", "harbour")],
    )
    await library.add(file_name="second.mp4", file_size=0)

    await visit.sign_in(library.reader)

    videos = visit.page.get_by_role("list", name="Newest videos").locator("> li")
    await expect(videos).to_have_count(2)
    await expect(videos.nth(0)).to_contain_text("second.mp4")
    await expect(videos.nth(0)).to_contain_text("length unknown \u00b7 0 B")
    await expect(videos.nth(1)).to_contain_text("1:02:05 \u00b7 1.5 MB")
    await expect(videos.nth(1)).to_contain_text("place: harbour")
    await expect(videos.nth(1)).to_contain_text("/v/first.mp4")
    await expect(visit.page.locator("#outcome")).to_have_text("2 videos, that is all.")
    assert (visit.complaints, await visit.violations()) == ([], [])


async def test_a_name_with_html_is_shown_as_text(visit: Visit, library: Library) -> None:
    await library.add(file_name=HOSTILE, file_path=f"/{HOSTILE}", tags=[tag("<b>bold</b>", "<i>x</i>")])

    await visit.sign_in(library.reader)

    await expect(visit.page.locator("#videos h3")).to_have_text(HOSTILE)
    await expect(visit.page.locator("#videos ul li")).to_have_text("<b>bold</b>: <i>x</i>")
    assert await visit.page.locator("#videos :is(img, script, b, i)").count() == 0
    assert await visit.page.title() == "VideoVault"
    assert (visit.complaints, await visit.violations()) == ([], [])


async def test_the_policy_stops_injected_content(visit: Visit) -> None:
    await expect(storage(visit.page)).to_contain_text("mode: server")

    await visit.page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=\\"document.title='owned'\\">");
            await fetch("http://127.0.0.1:9/", { mode: "no-cors" }).catch(() => {});
        }"""
    )

    # Not wait_for_function: it polls by eval, which the policy stops too.
    async with asyncio.timeout(60):
        while True:
            violations = await visit.violations()
            if len(violations) >= 3:
                break
            await asyncio.sleep(0.02)
    directives = {violation.split()[0] for violation in violations}
    assert directives == {"script-src-elem", "script-src-attr", "connect-src"}
    assert await visit.page.title() == "VideoVault"


async def test_the_token_is_kept_in_memory_only(visit: Visit, library: Library) -> None:
    await library.add()
    await visit.sign_in(library.reader)
    await expect(visit.page.locator("#videos > li")).to_have_count(1)

    kept = await visit.page.evaluate(
        """async () => JSON.stringify([
            { ...localStorage }, { ...sessionStorage }, document.cookie, location.href,
            await indexedDB.databases(), await caches.keys(), document.getElementById("token").value,
        ])"""
    )

    assert kept == f'[{{}},{{}},"","{visit.page.url}",[],[],""]'
    await visit.page.reload()
    await expect(visit.page.get_by_label("Access token")).to_be_visible()
    await expect(visit.page.locator("#videos > li")).to_have_count(0)


@pytest.mark.parametrize("token", ["not a token", "e\u00e9\u00e9", "aaaa.bbbb.cccc"])
async def test_a_wrong_token_is_reported_at_the_field_and_can_be_corrected(
    visit: Visit, library: Library, token: str
) -> None:
    await library.add()

    await visit.sign_in({"Authorization": f"Bearer {token}"})

    field = visit.page.get_by_label("Access token")
    await expect(visit.page.get_by_role("alert")).to_contain_text("token")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await visit.sign_in(library.reader)
    await expect(visit.page.locator("#videos > li")).to_have_count(1)
    await expect(visit.page.get_by_role("alert")).to_have_text("")
    await expect(field).not_to_have_attribute("aria-invalid", "true")


async def test_everything_can_be_reached_and_used_by_keyboard(visit: Visit, library: Library) -> None:
    for _ in range(30):
        await library.add()
    keyboard, page = visit.page.keyboard, visit.page
    await expect(page.get_by_label("Access token")).to_be_visible()

    await keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the library")).to_be_focused()
    await expect(page.get_by_role("link", name="Skip to the library")).to_be_in_viewport()
    await keyboard.press("Enter")
    await keyboard.press("Tab")
    await expect(page.get_by_label("Access token")).to_be_focused()
    await keyboard.insert_text(library.reader["Authorization"].removeprefix("Bearer "))
    await keyboard.press("Enter")
    await expect(page.locator("#videos > li")).to_have_count(24)
    await keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Show videos")).to_be_focused()
    await keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Show more")).to_be_focused()
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    await keyboard.press("Enter")
    await expect(page.locator("#videos > li")).to_have_count(30)
    await expect(page.locator("#videos > li").nth(24).locator("h3")).to_be_focused()
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()

    assert outline == "solid"
    assert (visit.complaints, await visit.violations()) == ([], [])


async def test_landmarks_names_and_language_are_there(visit: Visit) -> None:
    page = visit.page
    for landmark in (page.get_by_role("banner"), page.get_by_role("main"), page.get_by_role("contentinfo")):
        await expect(landmark).to_have_count(1)
    await expect(page.get_by_role("region")).to_have_count(2)
    assert await page.get_attribute("html", "lang") == "en"
    levels = await page.eval_on_selector_all("h1, h2, h3", "nodes => nodes.map((node) => node.tagName)")
    assert levels == ["H1", "H2", "H2"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_has_contrast_in_light_and_dark(
    chromium: Browser, library_url: str, library: Library, scheme: str
) -> None:
    await library.add(file_name="video.mp4", tags=[tag("place", "harbour")])

    async with visiting(chromium, library_url, color_scheme=scheme) as visit:
        await visit.sign_in(library.reader)
        await expect(visit.page.locator("#videos > li")).to_have_count(1)
        await visit.page.locator("#problem").evaluate("node => { node.textContent = 'A problem.'; }")
        ratios = await visit.page.evaluate(CONTRASTS)
        page_colour = await visit.page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert len(ratios) > 10
    assert [entry for entry in ratios if entry[2] < 4.5] == []
    assert page_colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[scheme]


async def test_on_a_phone_nothing_is_wider_than_the_screen(
    chromium: Browser, library_url: str, library: Library
) -> None:
    await library.add(file_name="n" * 500, file_path="/" + "p" * 2000, tags=[tag("place", "t" * 200)])

    async with visiting(chromium, library_url, viewport={"width": 320, "height": 640}) as visit:
        await visit.sign_in(library.reader)
        await expect(visit.page.locator("#videos > li")).to_have_count(1)
        width = await visit.page.evaluate("document.documentElement.scrollWidth")
        targets = await visit.page.eval_on_selector_all(
            "a:not(.skip), button, input",
            "nodes => nodes.filter((node) => node.checkVisibility()).map((node) => node.getBoundingClientRect().height)",
        )

    assert width == 320
    assert min(targets) >= 24


async def test_without_a_database_the_page_says_so_and_asks_for_nothing(
    chromium: Browser, serve: Serve
) -> None:
    async with serve(create_app(settings_for(None))) as url, visiting(chromium, url) as visit:
        await expect(storage(visit.page)).to_contain_text("This server keeps no library (mode: client).")
        await expect(visit.page.get_by_label("Access token")).to_be_hidden()
        assert (visit.complaints, await visit.violations()) == ([], [])


async def test_an_open_library_is_listed_at_once(chromium: Browser, serve: Serve, library: Library) -> None:
    await library.add(file_name="mine.mp4")
    app = create_app(settings_for(library.app.settings.database, access="open"))

    async with serve(app) as url, visiting(chromium, url) as visit:
        await expect(visit.page.locator("#videos h3")).to_have_text("mine.mp4")
        await expect(visit.page.get_by_label("Access token")).to_be_hidden()
        assert (visit.complaints, await visit.violations()) == ([], [])
