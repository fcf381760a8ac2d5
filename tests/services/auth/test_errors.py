"""The refusals of Auth: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """
Problem
├── Conflict
│   ├── EmailTaken: 409 email-taken
│   ├── LastSignInMethod: 409 last-sign-in-method
│   ├── NoPassword: 409 no-password
│   ├── NoSecondFactor: 409 no-second-factor
│   ├── PasskeyKnown: 409 passkey-known
│   ├── SecondFactorEnabled: 409 second-factor-enabled
│   ├── TooManyPasskeys: 409 too-many-passkeys
│   └── UsernameTaken: 409 username-taken
├── Forbidden
│   ├── CannotModifySelf: 403 cannot-modify-self
│   ├── EmailNotVerified: 403 email-not-verified
│   ├── IncorrectCode: 403 incorrect-code
│   ├── OriginRefused: 403 origin-refused
│   ├── PasswordWrong: 403 password-wrong
│   └── ReauthenticationRequired: 403 reauthentication-required
├── InvalidCode: 410 invalid-code
├── InvalidLink: 410 invalid-link
├── InvalidState: 400 invalid-state
├── NotFound
│   └── GoogleNotConfigured: 404 google-not-configured
├── ServiceUnavailable
│   └── KeysNotReady: 503 keys-not-ready
└── Unauthorized
    ├── LoginExpired: 401 login-expired
    ├── LoginFailed: 401 login-failed
    ├── PasskeyRefused: 401 passkey-refused
    ├── RefreshTokenRefused: 401 refresh-token-refused
    ├── SecondFactorFailed: 401 second-factor-failed
    └── SessionEnded: 401 session-ended
"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("auth") == TREE.strip()
