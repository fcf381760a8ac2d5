"""The forms of the sign-in page as they come back, from whichever of its buttons, and what they are answered with."""

from dataclasses import dataclass, field

from fastapi import Request
from starlette.responses import Response

from auth.errors import EmailNotVerified
from auth.oidc.authorization_requests import AuthorizationRequest, check_still_registered
from auth.oidc.dependencies import StandardClients
from auth.oidc.errors import OAuthRefusal, UntrustedRequest
from auth.oidc.parameters import read_form
from auth.oidc.responses import answer_with_page, read_browser_cookie, send_back
from auth.oidc.sign_in import FactorAsked, SignedIn
from auth.oidc.sign_in_page import show_untrusted
from auth.oidc.signed_forms import SignInForm
from auth.settings import Settings
from auth.web.origins import is_own_origin
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.api.problems import Problem


@dataclass(frozen=True, kw_only=True)
class SentForm:
    """A form that this browser was shown, not long ago, and what was filled in."""

    form: SignInForm
    fields: dict[str, str] = field(repr=False)

    @property
    def asked(self) -> AuthorizationRequest:
        """What the client asked for."""
        return self.form.request


async def read_sent_form(
    request: Request, *, clients: StandardClients, settings: Settings
) -> SentForm | Response:
    """What the page sent, or the answer to what cannot be taken for it, or to its button for cancelling."""
    try:
        sent = await _read_own(request, clients=clients, settings=settings)
    except (OAuthRefusal, UntrustedRequest) as refusal:
        return show_untrusted(UntrustedRequest(refusal.error, refusal.description))
    if not sent.form.is_good:
        fault = "This page was open for too long, or your browser keeps no cookies. Sign in once more."
        return answer_with_page(request, sent.asked, clients=clients, fault=fault, status=403)
    if sent.fields.get("decision") == "cancel":
        return send_back(sent.asked.address, clients=clients, error="access_denied")
    return sent


async def _read_own(request: Request, *, clients: StandardClients, settings: Settings) -> SentForm:
    """The page's form as it was sent. Raises `UntrustedRequest` for one that no page of ours can have sent."""
    fields = await read_form(request)
    form = clients.forms.read(fields.get("form", ""), browser=read_browser_cookie(request, clients))
    is_foreign = "origin" in request.headers and not is_own_origin(request, settings=settings)
    if form is None or is_foreign:
        raise UntrustedRequest("invalid_request", "this form was not sent from the page that it belongs to")
    # The settings may have changed since the page was shown.
    check_still_registered(form.request.address, clients=clients.registered)
    return SentForm(form=form, fields=fields)


def answer_sign_in(
    request: Request,
    asked: AuthorizationRequest,
    done: SignedIn | FactorAsked,
    *,
    clients: StandardClients,
    guard: Guard,
    client: ClientInfo,
) -> Response:
    """Send the browser back with a code, or show the page that asks for the second factor."""
    if isinstance(done, FactorAsked):
        return answer_with_page(request, asked, clients=clients, mfa_token=done.mfa_token)
    response = send_back(asked.address, clients=clients, code=done.code)
    if done.device_binding is not None:
        guard.remember_device(response, device_binding=done.device_binding, client=client)
    return response


def show_fault(
    request: Request,
    asked: AuthorizationRequest,
    *,
    clients: StandardClients,
    problem: Problem,
    login: str = "",
    mfa_token: str | None = None,
) -> Response:
    """Show the page again, with what is wrong."""
    page = answer_with_page(
        request,
        asked,
        clients=clients,
        login=login[:320],
        mfa_token=mfa_token,
        fault=f"{problem.title}. {problem.detail or ''}",
        status=problem.status,
        with_resend=isinstance(problem, EmailNotVerified),
    )
    page.headers.update(problem.headers)
    return page
