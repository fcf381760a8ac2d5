"""The refusals of passkeys."""

from webcommon.api.problems import Conflict, Unauthorized


class PasskeyRefused(Unauthorized):
    """401: one answer for an unknown or removed passkey, an invalid assertion and a disabled account."""

    title = "The passkey was not accepted"
    slug = "passkey-refused"

    def __init__(self) -> None:
        super().__init__("Try again, or sign in another way.")


class PasskeyKnown(Conflict):
    """409: the passkey is registered already."""

    title = "The passkey is registered already"
    slug = "passkey-known"

    def __init__(self) -> None:
        super().__init__("Sign in with it, or create another one.")


class TooManyPasskeys(Conflict):
    """409: the account has as many passkeys as it may have."""

    title = "The account has too many passkeys"
    slug = "too-many-passkeys"

    def __init__(self) -> None:
        super().__init__("Remove one that you no longer use.")
