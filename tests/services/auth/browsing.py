"""Fresh profiles of a real browser, and the client's page that a sign-in redirects to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Browser, Page


@dataclass
class Landing:
    """The client's page that the browser is redirected to."""

    url: str = ""
    requests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        body = b"<!doctype html><title>App</title><h1>Back at the app</h1>"
        length = f"Content-Length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{length}\r\n".encode() + body)
        await writer.drain()
        writer.close()

    def arrival(self) -> str:
        """The browser's request."""
        return next(head for head in self.requests if head.startswith("GET /callback"))

    def answer_given(self) -> dict[str, str]:
        """What it was told."""
        target = self.arrival().split(" ")[1]
        return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


@contextlib.asynccontextmanager
async def landing_page() -> AsyncIterator[Landing]:
    """The client's page, while the block runs."""
    landing = Landing()
    server = await asyncio.start_server(landing.serve, "127.0.0.1", 0)
    landing.url = f"http://localhost:{server.sockets[0].getsockname()[1]}/callback"
    async with server:
        yield landing


@contextlib.asynccontextmanager
async def visiting(browser: Browser, url: str, **options: Any) -> AsyncIterator[tuple[Page, list[str]]]:
    """A fresh profile that opens the page, and what the browser complained about."""
    context = await browser.new_context(**options)
    complaints: list[str] = []
    try:
        page = await context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(url)
        yield page, complaints
    finally:
        await context.close()


async def focused(page: Page) -> str:
    """The id, or else the text, of what has the focus."""
    name: str = await page.evaluate("document.activeElement.id || document.activeElement.textContent")
    return name
