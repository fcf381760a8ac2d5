"""Bodies of the routes of second factors."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from auth.second_factors.recovery_codes import COUNT
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp


class SecondFactorAsked(ResponseBody):
    """The first factor is verified; a code of the second factor is needed before a session begins."""

    mfa_required: Literal[True] = True
    mfa_token: str = Field(
        repr=False,
        description="To send with the code to /v1/auth/login/mfa, within five minutes.",
        examples=["qma1_kW0c…"],
    )


class SecondFactorLogin(RequestBody):
    """The code that finishes a sign-in."""

    mfa_token: Text = Field(max_length=128, repr=False, examples=["qma1_kW0c…"])
    code: Text = Field(
        max_length=64,
        repr=False,
        description="Six digits of the app, or a recovery code; spaces, hyphens and case do not matter.",
        examples=["492039", "7M4K-9QXT-2W8H"],
    )


class TotpSecretAnswer(ResponseBody):
    """What an authenticator app needs to know, shown this once."""

    secret: str = Field(
        repr=False, description="Base32, to be typed into an app.", examples=["JBSWY3DPEHPK3PXP…"]
    )
    otpauth_uri: str = Field(
        repr=False,
        description="The same as a URI, to be shown as a QR code.",
        examples=["otpauth://totp/Quartet:ada%40example.com?secret=JBSWY3DPEHPK3PXP…&issuer=Quartet"],
    )


class TotpConfirmation(RequestBody):
    """A code of the app, which shows that it has the secret."""

    code: Text = Field(max_length=64, repr=False, examples=["492039"])


class RecoveryCodesAnswer(ResponseBody):
    """Codes that replace one of the app once each; shown only in this response."""

    recovery_codes: list[str] = Field(
        repr=False, min_length=COUNT, max_length=COUNT, examples=[["7M4K-9QXT-2W8H", "…"]]
    )


class SecondFactorStatus(ResponseBody):
    """The second factor, recovery codes and passkeys of an account."""

    totp_enabled: bool
    totp_enabled_at: Timestamp | None
    recovery_codes_left: int = Field(examples=[10])
    passkeys: int = Field(examples=[1])

    @classmethod
    def of(
        cls, *, totp_enabled_at: datetime | None, recovery_codes_left: int, passkeys: int
    ) -> "SecondFactorStatus":
        """The status with these values."""
        return cls(
            totp_enabled=totp_enabled_at is not None,
            totp_enabled_at=totp_enabled_at,
            recovery_codes_left=recovery_codes_left,
            passkeys=passkeys,
        )
