"""The sign-in page, with a form for the password and a button for each other method; and its error pages."""

from dataclasses import dataclass
from html import escape

from fastapi.responses import HTMLResponse

from auth.oidc.authorization_requests import AuthorizationRequest
from auth.oidc.errors import UntrustedRequest
from auth.settings.clients import RegisteredClient, origin_of
from auth.web.pages import show_page
from webcommon.accounts.credentials import MAXIMUM_PASSWORD_LENGTH

_SHARED = {
    "openid": "the id of your account",
    "profile": "your username",
    "email": "your e-mail address",
}

_INVALID = ' aria-invalid="true"'


@dataclass(frozen=True, kw_only=True)
class FormTarget:
    """`folder`: the path of the forms' routes, relative to the page. `field`: the hidden field of each form."""

    folder: str
    field: str

    def open_form(self, action: str, *, attributes: str = "") -> str:
        """The opening tag of a form, and its hidden field."""
        return (
            f'<form method="post" action="{self.folder}{action}"{attributes}>'
            f'<input type="hidden" name="form" value="{escape(self.field)}">'
        )


def show_sign_in(
    request: AuthorizationRequest,
    *,
    client: RegisteredClient,
    target: FormTarget,
    with_google: bool,
    with_passkeys: bool,
    login: str = "",
    error: str = "",
    status: int = 200,
    with_resend: bool = False,
) -> HTMLResponse:
    """The page for a request. `login`: the name that was typed. `error`: an error message. `with_resend` adds a link to
    request another confirmation mail."""
    shared = "".join(f"<li>{_SHARED[scope]}</li>" for scope in request.scope.split())
    resend = f'<p><a href="{target.folder}../email/resend">Request another link</a></p>'
    body = (
        f"{_alert(error)}{resend if with_resend else ''}"
        f"{target.open_form('sign-in')}"
        f"{_fields(login or request.login_hint, has_error=bool(error), is_wrong=bool(login and error))}"
        f"<p>{escape(client.name)} will receive:</p><ul>{shared}</ul>"
        f"{_buttons(client)}</form>"
        f'<p><a href="{target.folder}../password/forgot">Forgotten your password?</a></p>'
        f"{_google_button(target) if with_google else ''}{_passkey_button(target) if with_passkeys else ''}"
    )
    title = f"Sign in to {client.name}"
    return _show(request, title, body, status=status, with_script=with_passkeys)


def show_code_form(
    request: AuthorizationRequest,
    *,
    client: RegisteredClient,
    target: FormTarget,
    mfa_token: str,
    error: str = "",
    status: int = 200,
) -> HTMLResponse:
    """The page that asks for the second factor after the first. `mfa_token` is a hidden field too."""
    described = "hint error" if error else "hint"
    body = (
        f"{_alert(error)}"
        f"{target.open_form('sign-in-code')}"
        f'<input type="hidden" name="mfa_token" value="{escape(mfa_token)}">'
        '<label for="code">Code</label><p id="hint">The code in your authenticator app, or a recovery code.</p>'
        '<input id="code" name="code" required maxlength="64" autocomplete="one-time-code" autocapitalize="none"'
        f' spellcheck="false" autofocus aria-describedby="{described}"{_INVALID if error else ""}>'
        f"{_buttons(client)}</form>"
    )
    return _show(request, "Your second factor", body, status=status)


def show_untrusted(refusal: UntrustedRequest) -> HTMLResponse:
    """The page for a request without a registered client or redirect URI."""
    body = (
        f'<p role="alert">{escape(refusal.description[:1].upper() + refusal.description[1:])}.</p>'
        "<p>Go back to the app and try again. If that does not help, tell the people who run it.</p>"
    )
    return show_page("You cannot sign in from here", body, status=400)


def show_begin_again() -> HTMLResponse:
    """The page for a GET of a form's URL."""
    body = (
        '<p role="alert">This page cannot be opened by its address.</p>'
        "<p>Go back to the app and begin to sign in there again.</p>"
    )
    return show_page("Begin again at the app", body, status=400)


def _show(
    request: AuthorizationRequest, title: str, body: str, *, status: int, with_script: bool = False
) -> HTMLResponse:
    # With no-referrer browsers would send the form with `Origin: null`.
    return show_page(
        title,
        body,
        status=status,
        form_targets=[origin_of(request.address.redirect_uri)],
        referrer_policy="same-origin",
        with_script=with_script,
    )


def _buttons(client: RegisteredClient) -> str:
    # Enter in a field presses the first button.
    return (
        f'<button type="submit" name="decision" value="allow">Sign in to {escape(client.name)}</button>'
        '<button type="submit" name="decision" value="cancel" class="quiet" formnovalidate>Cancel</button>'
    )


def _google_button(target: FormTarget) -> str:
    button = '<button type="submit" class="quiet">Sign in with Google</button>'
    return f"{target.open_form('sign-in-google')}{button}</form>"


def _passkey_button(target: FormTarget) -> str:
    # The script shows it if the browser supports passkeys.
    options = f' id="passkey" data-options="{target.folder}../v1/passkeys/login/options" hidden'
    return (
        f"{target.open_form('sign-in-passkey', attributes=options)}"
        '<input type="hidden" name="credential">'
        '<button type="submit" class="quiet">Sign in with a passkey</button>'
        '<p role="alert" id="passkey-error"></p></form>'
        f'<script src="{target.folder}passkey.js" defer></script>'
    )


def _alert(error: str) -> str:
    return f'<p role="alert" id="error">{escape(error)}</p>' if error else ""


def _fields(login: str, *, has_error: bool, is_wrong: bool) -> str:
    # Both fields refer to the error message; they are marked as invalid only if a name was typed.
    described = ' aria-describedby="error"' if has_error else ""
    described += _INVALID if is_wrong else ""
    login_focus, password_focus = ("", " autofocus") if login else (" autofocus", "")
    return (
        '<label for="login">E-mail address or username</label>'
        f'<input id="login" name="login" value="{escape(login)}" required maxlength="320" autocomplete="username"'
        f' autocapitalize="none" spellcheck="false"{described}{login_focus}>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" required autocomplete="current-password"'
        f' maxlength="{4 * MAXIMUM_PASSWORD_LENGTH}"{described}{password_focus}>'
    )
