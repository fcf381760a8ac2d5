"""The pages that links in mails open, and those that request such a link: forms without script, sent by POST.

Opening a page does not use the link. The browser sends the token again only in the body of the form.
"""

from dataclasses import dataclass
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import SecretStr, ValidationError

from auth.email_links import service
from auth.email_links.dependencies import MailRequestsDep
from auth.email_links.errors import InvalidLink
from auth.email_links.schemas import AddressBody, LinkToken, PasswordReset
from auth.email_links.service import MailRequests
from auth.mail.dependencies import OutboxDep
from auth.models.mail import MailKind
from auth.users.dependencies import HasherDep
from auth.web.pages import PageRoute, read_form, show_page, show_refusal
from dbcommon.session import DatabaseDep
from webcommon.accounts.credentials import MAXIMUM_PASSWORD_LENGTH, MINIMUM_PASSWORD_LENGTH
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import InvalidRequest, Problem

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_ACTIONS = {
    "verify": ("Confirm your e-mail address", "Confirm the address", "Your e-mail address is confirmed."),
    "change": (
        "Confirm your new e-mail address",
        "Confirm the new address",
        "Your account has its new e-mail address.",
    ),
    "undo": (
        "Keep your e-mail address",
        "Keep this address, sign everybody out",
        "Your account has this e-mail address, and everybody was signed out. Set a new password now.",
    ),
}

_NEW_LINK = '<p><a href="{path}">Ask for another link</a></p>'
# Relative to the page: a proxy may serve it under a prefix.
_NEW_LINKS = {"verify": _NEW_LINK.format(path="resend")}


@dataclass(frozen=True, kw_only=True)
class _RequestPage:
    """The texts of a page that requests a link: title, hint beside the field, and the answer."""

    kind: MailKind
    title: str
    hint: str
    done: str


_RESEND = _RequestPage(
    kind="verify",
    title="Confirm your e-mail address",
    hint="The one that you registered with. A link that confirms it is sent there.",
    done="If there is an account with this address that is not confirmed yet, a mail with a link is on its way (at most"
    " one a minute). Confirm the address there, then go back to the app and sign in.",
)
_FORGOTTEN = _RequestPage(
    kind="reset",
    title="Forgotten your password?",
    hint="The one of your account. A link to a new password is sent there.",
    done="If there is an account with this address, a mail with a link to a new password is on its way. Set one there,"
    " then go back to the app and sign in.",
)
_LONGEST_SHOWN = 320

_PASSWORD_HINT = f"{MINIMUM_PASSWORD_LENGTH} to {MAXIMUM_PASSWORD_LENGTH} characters, any at all."


# Before `/email/{action}`, which would match it.
@router.api_route("/email/resend", methods=["GET", "HEAD"])
async def show_resend_page() -> HTMLResponse:
    """The form that requests another link to confirm an address."""
    return show_page(_RESEND.title, _address_form(_RESEND))


@router.post("/email/resend")
async def use_resend_page(request: Request, requests: MailRequestsDep) -> HTMLResponse:
    """Request the link. Page and time are the same for every address."""
    return await _request_link(_RESEND, request, requests=requests)


@router.api_route("/email/{action}", methods=["GET", "HEAD"])
async def show_email_page(action: str, token: str = "") -> HTMLResponse:
    """The form that uses the link."""
    if action not in _ACTIONS:
        return show_page("There is no such page", "", status=404)
    title, button, _ = _ACTIONS[action]
    return show_page(title, _form(token, button=button))


@router.post("/email/{action}")
async def use_email_link(action: str, request: Request, database: DatabaseDep) -> HTMLResponse:
    """Use the link."""
    if action not in _ACTIONS:
        return show_page("There is no such page", "", status=404)
    title, _, done = _ACTIONS[action]
    fields = await read_form(request)
    try:
        body = LinkToken(token=fields.get("token", ""))
        await service.confirm_in_transaction(body.token, database=database)
    except (ValidationError, InvalidLink):
        return show_refusal(title, InvalidLink(), more=_NEW_LINKS.get(action, ""))
    except Problem as problem:
        return show_refusal(title, problem)
    return show_page(title, f'<p role="status">{escape(done)}</p>')


@router.api_route("/password/reset", methods=["GET", "HEAD"])
async def show_password_page(token: str = "") -> HTMLResponse:
    """The form that sets a new password."""
    return show_page("Set a new password", _password_form(token))


@router.post("/password/reset")
async def use_password_link(
    request: Request, database: DatabaseDep, hasher: HasherDep, outbox: OutboxDep
) -> HTMLResponse:
    """Set the password, or show the form again with the reason why it was refused."""
    title = "Set a new password"
    fields = await read_form(request)
    token = fields.get("token", "")
    try:
        body = PasswordReset(token=token, new_password=SecretStr(fields.get("new_password", "")))
        await service.reset_password(body, database=database, hasher=hasher, outbox=outbox)
    except ValidationError:
        return show_page(title, _password_form(token, error="This password is not accepted."), status=422)
    except InvalidRequest as problem:
        return show_page(title, _password_form(token, error=str(problem.detail)), status=problem.status)
    except InvalidLink as problem:
        return show_refusal(title, problem, more=_NEW_LINK.format(path="forgot"))
    except Problem as problem:
        return show_refusal(title, problem)
    return show_page(title, '<p role="status">Your password is set. Sign in with it.</p>')


@router.api_route("/password/forgot", methods=["GET", "HEAD"])
async def show_forgotten_page() -> HTMLResponse:
    """The form that requests a link to a new password."""
    return show_page(_FORGOTTEN.title, _address_form(_FORGOTTEN))


@router.post("/password/forgot")
async def use_forgotten_page(request: Request, requests: MailRequestsDep) -> HTMLResponse:
    """Request the link. Page and time are the same whether or not a mail will be sent."""
    return await _request_link(_FORGOTTEN, request, requests=requests)


async def _request_link(
    page_texts: _RequestPage, request: Request, *, requests: MailRequests
) -> HTMLResponse:
    typed = (await read_form(request)).get("email", "")
    try:
        body = AddressBody(email=typed)
    except ValidationError:
        page = _address_form(page_texts, typed[:_LONGEST_SHOWN], error="This is not an e-mail address.")
        return show_page(page_texts.title, page, status=422)
    try:
        await requests.request_link(page_texts.kind, body.email)
    except TooManyAttempts as problem:
        return show_refusal(page_texts.title, problem)
    return show_page(page_texts.title, f'<p role="status">{page_texts.done}</p>')


def _form(token: str, *, button: str, fields: str = "") -> str:
    # `?` sends the form to the page's own path, without the token in the query.
    return (
        f'<form method="post" action="?"><input type="hidden" name="token" value="{escape(token)}">{fields}'
        f'<button type="submit">{escape(button)}</button></form>'
    )


def _password_form(token: str, *, error: str = "") -> str:
    alert = f'<p role="alert" id="error">{escape(error)}</p>' if error else ""
    described = "hint error" if error else "hint"
    field = (
        '<label for="new-password">New password</label>'
        f'<p id="hint">{_PASSWORD_HINT}</p>{alert}'
        '<input id="new-password" name="new_password" type="password" autocomplete="new-password" required'
        f' minlength="{MINIMUM_PASSWORD_LENGTH}" aria-describedby="{described}"{" aria-invalid=true" if error else ""}>'
    )
    return _form(token, button="Set the password", fields=field)


def _address_form(page_texts: _RequestPage, typed: str = "", *, error: str = "") -> str:
    alert = f'<p role="alert" id="error">{escape(error)}</p>' if error else ""
    described = "hint error" if error else "hint"
    return (
        '<form method="post" action="?"><label for="email">E-mail address</label>'
        f'<p id="hint">{page_texts.hint}</p>{alert}'
        f'<input id="email" name="email" type="email" value="{escape(typed)}" required maxlength="{_LONGEST_SHOWN}"'
        f' autocomplete="email" autofocus aria-describedby="{described}"{" aria-invalid=true" if error else ""}>'
        '<button type="submit">Send a link</button></form>'
    )
