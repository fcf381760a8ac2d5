"""Submitted forms of the sign-in page, and the responses to them."""

from dataclasses import dataclass, field

from fastapi import Request
from starlette.responses import Response

from auth.errors import EmailNotVerified
from auth.oidc.authorization_requests import AuthorizationRequest, check_still_registered
from auth.oidc.dependencies import StandardClients
from auth.oidc.errors import OAuthRefusal, UntrustedRequest
from auth.oidc.parameters import read_form
from auth.oidc.responses import answer_with_page, read_browser_cookie, send_back
from auth.oidc.sign_in import SecondFactorRequired, SignedIn
from auth.oidc.sign_in_page import show_untrusted
from auth.oidc.signed_forms import SignInForm
from auth.settings import Settings
from auth.web.origins import is_own_origin
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.api.problems import Problem


@dataclass(frozen=True, kw_only=True)
class SubmittedForm:
    """A form that this browser was shown, and the submitted fields."""

    form: SignInForm
    fields: dict[str, str] = field(repr=False)

    @property
    def authorization(self) -> AuthorizationRequest:
        """The client's authorization request."""
        return self.form.request


async def read_submitted_form(
    request: Request, *, clients: StandardClients, settings: Settings
) -> SubmittedForm | Response:
    """The submitted form, or the response to an invalid form or to the Cancel button."""
    try:
        submitted = await _read_own(request, clients=clients, settings=settings)
    except (OAuthRefusal, UntrustedRequest) as refusal:
        return show_untrusted(UntrustedRequest(refusal.error, refusal.description))
    if not submitted.form.is_valid:
        error = "This page was open for too long, or your browser keeps no cookies. Sign in once more."
        return answer_with_page(request, submitted.authorization, clients=clients, error=error, status=403)
    if submitted.fields.get("decision") == "cancel":
        return send_back(submitted.authorization.address, clients=clients, error="access_denied")
    return submitted


async def _read_own(request: Request, *, clients: StandardClients, settings: Settings) -> SubmittedForm:
    """The submitted form. Raises `UntrustedRequest` for one from another browser or another site."""
    fields = await read_form(request)
    form = clients.forms.read(fields.get("form", ""), browser=read_browser_cookie(request, clients))
    is_foreign = "origin" in request.headers and not is_own_origin(request, settings=settings)
    if form is None or is_foreign:
        raise UntrustedRequest("invalid_request", "this form was not sent from its own page")
    # The settings may have changed since the page was shown.
    check_still_registered(form.request.address, clients=clients.registered)
    return SubmittedForm(form=form, fields=fields)


def answer_sign_in(
    request: Request,
    authorization: AuthorizationRequest,
    done: SignedIn | SecondFactorRequired,
    *,
    clients: StandardClients,
    guard: Guard,
    client: ClientInfo,
) -> Response:
    """Redirect the browser to the client with a code, or show the page that asks for the second factor."""
    if isinstance(done, SecondFactorRequired):
        return answer_with_page(request, authorization, clients=clients, mfa_token=done.mfa_token)
    response = send_back(authorization.address, clients=clients, code=done.code)
    if done.device_binding is not None:
        guard.remember_device(response, device_binding=done.device_binding, client=client)
    return response


def show_problem(
    request: Request,
    authorization: AuthorizationRequest,
    *,
    clients: StandardClients,
    problem: Problem,
    login: str = "",
    mfa_token: str | None = None,
) -> Response:
    """Show the page again, with the problem."""
    page = answer_with_page(
        request,
        authorization,
        clients=clients,
        login=login[:320],
        mfa_token=mfa_token,
        error=f"{problem.title}. {problem.detail or ''}",
        status=problem.status,
        with_resend=isinstance(problem, EmailNotVerified),
    )
    page.headers.update(problem.headers)
    return page
