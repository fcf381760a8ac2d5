"""Routes that browsers open: the sign-in page's Google button, and the callback from Google."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from auth.google import service
from auth.google.dependencies import BrowserDep, GoogleDep, set_browser_cookie
from auth.google.errors import GoogleNotConfigured, InvalidState
from auth.google.linking import SignInRefused
from auth.google.page_answers import redirect_to_google, show_google_error
from auth.google.redirects import HEADERS, add_answer
from auth.google.return_targets import AppTarget
from auth.google.service import Callback, Outcome
from auth.google.setup import CALLBACK_PATH
from auth.google.state import new_secret
from auth.oidc.dependencies import StandardClients, StandardClientsDep
from auth.oidc.errors import UntrustedRequest
from auth.oidc.sign_in import SignedIn
from auth.oidc.sign_in_page import show_untrusted
from auth.oidc.submitted_forms import answer_sign_in, read_submitted_form, show_problem
from auth.sessions.device import DeviceDep
from auth.settings import SettingsDep
from auth.web.pages import PageRoute, page_responses, show_refusal
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import problem_responses

router = APIRouter(tags=["Google"], route_class=PageRoute)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **page_responses(
        {
            200: "The page that asks for the second factor, for a standard client.",
            400: "A page: no sign-in was begun in this browser, or its client is not registered any more.",
            403: "The sign-in page of a standard client, with the error.",
            503: "A page: the database, or Google, cannot be reached.",
        }
    ),
    302: {"description": "Back to the app: `code`, or `error`."},
    303: {"description": "Back to the standard client: `code`, `state`, `iss`."},
}


@router.post("/oauth2/sign-in-google", include_in_schema=False)
async def use_google_button(
    request: Request,
    google: GoogleDep,
    browser: BrowserDep,
    clients: StandardClientsDep,
    settings: SettingsDep,
    client: ClientInfoDep,
) -> Response:
    """Redirect the browser to Google. The client's authorization request is stored until it is back."""
    submitted = await read_submitted_form(request, clients=clients, settings=settings)
    if isinstance(submitted, Response):
        return submitted
    browser = browser or new_secret()
    try:
        address = await service.begin(google, submitted.authorization, browser=browser, client=client)
    except TooManyAttempts as problem:
        return show_problem(request, submitted.authorization, clients=clients, problem=problem)
    except SignInRefused as refusal:
        return show_google_error(request, submitted.authorization, refusal.code, clients=clients)
    response = redirect_to_google(address)
    set_browser_cookie(response, browser, settings=settings)
    return response


@router.get(
    CALLBACK_PATH,
    operation_id="finish_google_sign_in",
    status_code=302,
    response_class=RedirectResponse,
    responses=problem_responses(GoogleNotConfigured) | _ANSWERS,
)
async def finish_google_sign_in(
    request: Request,
    google: GoogleDep,
    browser: BrowserDep,
    clients: StandardClientsDep,
    device: DeviceDep,
    guard: GuardDep,
    client: ClientInfoDep,
    state: str = "",
    code: str | None = None,
    error: str | None = None,
    iss: str | None = None,
) -> Response:
    """The callback from Google. Redirects the browser to the target of the sign-in, with a one-time code or an error. Errors
    for a standard client are shown on the sign-in page; one of another browser's sign-in on a page of its own."""
    callback = Callback(state=state, browser=browser, code=code, error=error, issuer=iss)
    try:
        outcome = await service.finish(google, callback, device=device)
    except InvalidState as problem:
        return show_refusal("Signing in with Google", problem)
    except UntrustedRequest as refusal:
        return show_untrusted(refusal)
    return _answer(request, outcome, clients=clients, guard=guard, client=client)


def _answer(
    request: Request, outcome: Outcome, *, clients: StandardClients, guard: Guard, client: ClientInfo
) -> Response:
    target, done = outcome.target, outcome.done
    if isinstance(target, AppTarget):
        return _redirect_to_app(target, outcome, guard=guard, client=client)
    if done is None:
        return show_google_error(request, target, outcome.error_code, clients=clients)
    return answer_sign_in(request, target, done, clients=clients, guard=guard, client=client)


def _redirect_to_app(app: AppTarget, outcome: Outcome, *, guard: Guard, client: ClientInfo) -> Response:
    if not isinstance(outcome.done, SignedIn):
        url = add_answer(app.redirect_to, error=outcome.error_code)
        return RedirectResponse(url, status_code=302, headers=HEADERS)
    url = add_answer(app.redirect_to, code=outcome.done.code)
    response = RedirectResponse(url, status_code=302, headers=HEADERS)
    if outcome.done.device_binding is not None:
        guard.remember_device(response, device_binding=outcome.done.device_binding, client=client)
    return response
