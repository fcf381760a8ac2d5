"""The texts of mails, plain and as HTML."""

from dataclasses import dataclass, field
from html import escape

from auth.models.mail import MailKind


@dataclass(frozen=True, kw_only=True)
class Message:
    """Subject and bodies of a mail."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class _Wording:
    subject: str
    before: str
    button: str = ""
    after: str = ""


# `{username}` and `{payload}` are filled in. A wording with a button has a link between its paragraphs.
_WORDINGS: dict[MailKind, _Wording] = {
    "verify": _Wording(
        subject="Confirm your e-mail address",
        before="please confirm that this e-mail address is yours. The link works once, for 24 hours.",
        button="Confirm the address",
        after="If you did not make an account, ignore this mail.",
    ),
    "reset": _Wording(
        subject="Set a new password",
        before="someone asked for a new password for your account. The link works once, for 1 hour.",
        button="Set a new password",
        after="If it was not you, ignore this mail: your password stays as it is.",
    ),
    "change_email": _Wording(
        subject="Confirm your new e-mail address",
        before="please confirm that this is to be the e-mail address of the account {username}. The link works once, for 24 "
        "hours; until then the account keeps the address that it has.",
        button="Confirm the new address",
        after="If you did not ask for this, or the account is not yours, ignore this mail. Its link does not revert a "
        "change of your own address: the one in the mail that announced the change does.",
    ),
    "revert_email": _Wording(
        subject="Your e-mail address is about to change",
        before="the e-mail address of your account will be {payload} as soon as that address is confirmed. If you "
        "asked for this, there is nothing to do. If not, use the link: it stops or reverts the change, signs everybody out, "
        "and removes the password, passkeys, linked accounts and authenticator app that were added since. It works once, for "
        "7 days.",
        button="Keep this address",
        after="Then set a new password.",
    ),
    "email_taken": _Wording(
        subject="You already have an account",
        before="someone, perhaps you, tried to use this e-mail address for an account. There is one already, with the "
        "username {username}: sign in with it, or ask for a new password.",
        after="If it was not you, there is nothing to do.",
    ),
    "refresh_token_reuse": _Wording(
        subject="A session was ended for your safety",
        before="a key of one of your sessions was used twice, as happens when it was copied. We ended that session; "
        "whoever had it has to sign in again.",
        after="If you do not know why this happened, set a new password and end your other sessions.",
    ),
    "password_changed": _Wording(
        subject="Your password was changed",
        before="the password of your account was changed, and your other sessions were ended.",
        after="If it was not you, ask for a new password at once.",
    ),
    "password_reset": _Wording(
        subject="Your password was reset",
        before="the password of your account was reset by a link in a mail, and all sessions were ended.",
        after="If it was not you, ask for a new password at once, and secure your mailbox.",
    ),
    "mfa_enabled": _Wording(
        subject="Signing in now asks for a code",
        before="two-step sign-in was turned on for your account: after the password a code of your authenticator app is "
        "asked for. Keep the recovery codes where you can find them without your phone.",
        after="If it was not you, set a new password and end your other sessions at once.",
    ),
    "mfa_disabled": _Wording(
        subject="Signing in no longer asks for a code",
        before="two-step sign-in was turned off for your account. The recovery codes are void.",
        after="Signing in with Google, or an administrator whom you asked, can have done this. If it was neither, set a new "
        "password, end your other sessions, and turn it on again.",
    ),
    "recovery_codes_replaced": _Wording(
        subject="You have new recovery codes",
        before="new recovery codes were made for your account. Those that you had are void.",
        after="If it was not you, set a new password and end your other sessions at once.",
    ),
    "recovery_code_used": _Wording(
        subject="A recovery code was used",
        before="someone signed in to your account with a recovery code. Codes that are left: {payload}.",
        after="If it was not you, set a new password, end your other sessions, and make new recovery codes.",
    ),
    "passkey_added": _Wording(
        subject="A passkey was added to your account",
        before="a passkey was added to your account. Whoever has it can sign in without a password.",
        after="If it was not you, remove it, set a new password, and end your other sessions at once.",
    ),
    "passkey_removed": _Wording(
        subject="A passkey was removed from your account",
        before="a passkey was removed from your account. Nobody can sign in with it any more.",
        after="If it was not you, set a new password and end your other sessions at once.",
    ),
    "oauth_linked": _Wording(
        subject="You can sign in with Google now",
        before="a Google account with the address of your account was linked to it; you can sign in with it from now on. If "
        "your address had not been confirmed before, the account's password, passkeys, second factor and sessions were removed.",
        after="If it was not you, sign in, unlink it, and end your other sessions.",
    ),
    "oauth_unlinked": _Wording(
        subject="A Google account was unlinked",
        before="a Google account was unlinked from your account. Nobody can sign in with it any more.",
        after="If it was not you, set a new password and end your other sessions.",
    ),
    "account_deleted": _Wording(
        subject="Your account was deleted",
        before="your account was deleted by someone who was signed in to it. Its sessions have ended, and its personal data is "
        "gone.",
        after="It cannot be restored. If it was not you, secure your mailbox, and change your password wherever else you use "
        "it.",
    ),
}


def write_message(kind: MailKind, *, username: str, payload: str | None, link: str | None) -> Message:
    """The mail of a kind. `payload`: the new address, or the number of recovery codes left, for the kinds that name it."""
    wording = _WORDINGS[kind]
    filled = {"username": username, "payload": payload or ""}
    before, after = wording.before.format(**filled), wording.after
    text = [f"Hello {username},", before, *([link] if link else []), after]
    button = f'<p><a href="{escape(link)}">{escape(wording.button)}</a></p>' if link else ""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(wording.subject)}</title></head>'
        f"<body><p>Hello {escape(username)},</p>\n<p>{escape(before)}</p>\n{button}\n<p>{escape(after)}</p></body></html>\n"
    )
    return Message(subject=wording.subject, text="\n\n".join(text) + "\n", html=html)
