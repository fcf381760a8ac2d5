"""The numbers of docs/auth.md are those of the code."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from auth.email_links.service import REVERT_LIFETIME
from auth.google import id_tokens, provider
from auth.google import repository as google
from auth.google import state as google_state
from auth.keys.service import RELOAD_SECONDS, VERIFIES_FOR, Rotation
from auth.mail import repository as mails
from auth.mail import worker
from auth.oidc import repository as standard_clients
from auth.oidc import signed_forms
from auth.passkeys import challenges as passkey_challenges
from auth.passkeys import service as passkeys
from auth.revocations.service import KEPT
from auth.second_factors import recovery_codes, totp
from auth.second_factors.repository import CHALLENGE_LIFETIME
from auth.sessions import access_tokens, repository
from auth.sessions.current_user import RECENT_SECONDS
from auth.settings import Settings
from auth.settings.mail import MAIL_REQUESTS
from webcommon.accounts import passwords
from webcommon.accounts.throttling.devices import LIFETIME_SECONDS
from webcommon.accounts.throttling.limits import MEMORY
from webcommon.accounts.throttling.settings import SIGN_UPS
from webcommon.auth.jwks import FETCH_SECONDS, FRESH_SECONDS
from webcommon.auth.revocations import POLL_SECONDS

PAGE = Path(__file__).parents[3] / "docs" / "auth.md"

HOUR = timedelta(hours=1)

_ROW = re.compile(r"\| (?P<promise>[^|]+?) \| (?P<value>[^|]+?) \|")


def default(name: str) -> float:
    """The default of a setting."""
    value = Settings.model_fields[name].default
    assert isinstance(value, int | float)
    return value


PROMISES: dict[str, float] = {
    "access token, seconds": access_tokens.LIFETIME_SECONDS,
    "session that is not refreshed, days": repository.IDLE_LIFETIME.days,
    "session from its sign-in, however often it is refreshed, days": repository.LONGEST_LIFETIME.days,
    "rotated refresh token answers with the same successor, seconds": repository.REPEAT_WINDOW.seconds,
    "recent sign-in for changes of password, e-mail or factors, seconds": RECENT_SECONDS,
    "ended session is kept for its history, days": repository.KEPT_AFTER_END.days,
    "argon2id memory, KiB": passwords.MEMORY_KIB,
    "argon2id passes": passwords.TIME_COST,
    "failed logins of one account, name or device in the window": default("login_failures_per_account"),
    "failed logins of one network in the window": default("login_failures_per_network"),
    "window of failed logins, seconds": default("login_window_seconds"),
    "longest block, seconds": default("login_longest_block_seconds"),
    "block makes the next one longer for, hours": MEMORY / HOUR,
    "sign-ups of one network an hour, production": SIGN_UPS["production"],
    "sign-ups of one network an hour, development": SIGN_UPS["development"],
    "mails that one network requests an hour, production": MAIL_REQUESTS["production"],
    "mails that one network requests an hour, development": MAIL_REQUESTS["development"],
    "sign-ins with Google that one network starts an hour": default("google_starts_per_network"),
    "device is recognised after its last sign-in, days": LIFETIME_SECONDS / timedelta(days=1).total_seconds(),
    # Measured by tests/suite/test_ended_sessions.py.
    "ended session is refused by all services within, seconds": 5,
    "pause between two polls of a service, seconds": POLL_SECONDS,
    "ended session stays on the list, seconds": KEPT.total_seconds(),
    "signing key gets a successor after, days": default("key_rotation_days"),
    "successor is published before it signs, seconds": default("key_publish_seconds"),
    "retired key stays published, seconds": VERIFIES_FOR.total_seconds(),
    "requested key rotation is seen within, seconds": RELOAD_SECONDS,
    "withdrawn key verifies nowhere after, seconds": RELOAD_SECONDS + FRESH_SECONDS + FETCH_SECONDS,
    "link that confirms an address works for, hours": worker.VERIFY_LIFETIME / HOUR,
    "link to a new password works for, hours": worker.RESET_LIFETIME / HOUR,
    "link that confirms a new address works for, hours": worker.CHANGE_LIFETIME / HOUR,
    "link that reverts a change of address works for, days": REVERT_LIFETIME.days,
    "shortest time between two requested mails of one kind to an address, seconds": default(
        "mail_interval_seconds"
    ),
    "changes of address that an account requests an hour": default("address_changes_per_account"),
    "longest pause between two attempts, seconds": worker.LONGEST_PAUSE_SECONDS,
    "mail that could not be sent is given up after, hours": worker.GIVE_UP_AFTER / HOUR,
    "record of a sent mail is kept, days": mails.KEPT.days,
    "sign-in with Google has to come back within, seconds": google_state.LIFETIME.total_seconds(),
    "code of a sign-in works for, seconds": google.CODE_LIFETIME.total_seconds(),
    "timeout of calls to Google, seconds": provider.CALL_SECONDS,
    "Google's discovery document is fetched again after, seconds": provider.FRESH_SECONDS,
    "clocks of Google and Auth may differ by, seconds": id_tokens.CLOCK_TOLERANCE_SECONDS,
    "authorization code, seconds": standard_clients.CODE_LIFETIME.total_seconds(),
    "ID token, seconds": access_tokens.LIFETIME_SECONDS,
    "sign-in page can be submitted for, seconds": signed_forms.FORM_SECONDS,
    "sign-in waits for a code for, seconds": CHALLENGE_LIFETIME.total_seconds(),
    "code of an app changes every, seconds": totp.STEP_SECONDS,
    "codes of earlier and later steps that are accepted, each": totp.DRIFT_STEPS,
    "recovery codes": recovery_codes.COUNT,
    "bits of a recovery code": recovery_codes.CHARACTERS * recovery_codes.BITS,
    "passkey's challenge works for, seconds": passkey_challenges.LIFETIME.total_seconds(),
    "passkeys of an account": passkeys.MAX_PASSKEYS,
    "used code is recognised for, seconds": standard_clients.CODES_KEPT.total_seconds(),
}
"""The values of the code, by the names on the page. A new promise is added to both."""


def rows() -> dict[str, str]:
    """The tables of the page."""
    found = [(match["promise"], match["value"]) for match in _ROW.finditer(PAGE.read_text())]
    table = {promise: value for promise, value in found if promise != "promise" and set(promise) != {"-"}}
    assert len(table) == len([each for each in found if each[0] != "promise"])
    return table


def test_the_page_and_the_code_promise_the_same_things() -> None:
    assert set(rows()) == set(PROMISES)


@pytest.mark.parametrize("promise", PROMISES)
def test_the_number_on_the_page_is_the_codes(promise: str) -> None:
    assert float(rows()[promise]) == pytest.approx(PROMISES[promise])


def test_tokens_outlive_neither_the_list_of_ended_sessions_nor_their_key() -> None:
    assert KEPT.total_seconds() > access_tokens.LIFETIME_SECONDS
    assert VERIFIES_FOR.total_seconds() > access_tokens.LIFETIME_SECONDS
    rotation = Rotation()
    assert rotation.publish_seconds == default("key_publish_seconds")
    assert rotation.days == default("key_rotation_days")
