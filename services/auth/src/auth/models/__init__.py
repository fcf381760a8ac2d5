"""The tables of `auth_db`, a file each for what belongs together."""

from auth.models.accounts import AttemptCounter, OAuthAccount, User
from auth.models.audit import AuditEvent
from auth.models.base import Model
from auth.models.google import OAuthCode, OAuthState
from auth.models.mail import EmailToken, Mail, MailCooldown
from auth.models.oidc import AuthorizationCode
from auth.models.passkeys import Passkey, PasskeyChallenge
from auth.models.second_factors import LoginChallenge, RecoveryCode, TotpSecret
from auth.models.sessions import Revocation, Session, SigningKey

metadata = Model.metadata

__all__ = [
    "AttemptCounter",
    "AuditEvent",
    "AuthorizationCode",
    "EmailToken",
    "LoginChallenge",
    "Mail",
    "MailCooldown",
    "Model",
    "OAuthAccount",
    "OAuthCode",
    "OAuthState",
    "Passkey",
    "PasskeyChallenge",
    "RecoveryCode",
    "Revocation",
    "Session",
    "SigningKey",
    "TotpSecret",
    "User",
    "metadata",
]
