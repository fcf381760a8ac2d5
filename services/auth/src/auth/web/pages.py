"""The layout of Auth's pages: they work without script, in light and dark, and load nothing from other hosts."""

import base64
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.responses import Response

from dbcommon.errors import DatabaseError
from webcommon.api.problems import BadRequest, Problem, ServiceUnavailable

logger = logging.getLogger(__name__)

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { margin: 0; background: Canvas; color: CanvasText }
main { max-width: 26rem; margin: 10vh auto 0; padding: 1.5rem }
h1 { font-size: 1.4rem }
label, input, button { display: block; font: inherit }
input { box-sizing: border-box; width: 100%; margin: .25rem 0 1rem; padding: .6rem; border: 1px solid GrayText; border-radius: .4rem }
button { padding: .6rem 1.2rem; border: 0; border-radius: .4rem; background: #1d4ed8; color: #fff; cursor: pointer }
button.quiet { margin-top: .75rem; background: transparent; color: inherit; box-shadow: inset 0 0 0 1px GrayText }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px }
[role=alert]:not(:empty) { border-left: .3rem solid #dc2626; padding-left: .7rem }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

_MOST_FIELDS = 20


def show_page(
    title: str,
    body: str,
    *,
    status: int = 200,
    form_targets: Sequence[str] = (),
    referrer_policy: str = "no-referrer",
    with_script: bool = False,
) -> HTMLResponse:
    """A page. `body` is HTML; the caller has escaped foreign text.

    `form_targets`: the origins to which a form's response may redirect, since Chromium applies `form-action` to them too.
    `with_script` allows script files of this service and their calls to it, but no inline script.
    """
    content = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    targets = " ".join(["'self'", *form_targets])
    script = "script-src 'self'; connect-src 'self'; " if with_script else ""
    headers = {
        "Content-Security-Policy": f"default-src 'none'; {script}style-src 'sha256-{_STYLE_HASH}'; "
        f"form-action {targets}; frame-ancestors 'none'; base-uri 'none'",
        "Referrer-Policy": referrer_policy,
        "Cache-Control": "no-store",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
    }
    return HTMLResponse(content, status_code=status, headers=headers)


def page_responses(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """A route's `responses=` for the statuses that it answers with a page."""
    content = {"text/html": {"schema": {"type": "string"}}}
    return {status: {"description": text, "content": content} for status, text in descriptions.items()}


def show_refusal(title: str, problem: Problem, *, more: str = "") -> HTMLResponse:
    """The page of a problem, with its status. `more`: HTML that says how to go on."""
    body = f'<p role="alert">{escape(problem.title)}. {escape(problem.detail or "")}</p>{more}'
    response = show_page(title, body, status=problem.status)
    if "Retry-After" in problem.headers:
        response.headers["Retry-After"] = problem.headers["Retry-After"]
    return response


class PageRoute(APIRoute):
    """A route that shows database errors and invalid forms as pages instead of problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, with these pages."""
        handle = super().get_route_handler()

        async def handle_or_show(request: Request) -> Response:
            try:
                return await handle(request)
            except DatabaseError as error:
                logger.warning("%s: %s", type(error).__name__, error)
                problem = ServiceUnavailable("Try again in a moment.", retry_after=error.retry_after)
                return show_refusal("Temporarily unavailable", problem)
            except BadRequest as problem:
                return show_refusal("This form is not valid", problem)

        return handle_or_show


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a submitted form, the first of each name. Raises `BadRequest` for too many."""
    text = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise BadRequest("The form has too many fields.") from None
    return {name: values[0] for name, values in fields.items()}
