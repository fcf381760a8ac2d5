"""The refusals of the signing keys."""

from webcommon.api.problems import ServiceUnavailable


class KeysNotReady(ServiceUnavailable):
    """503: the signing keys could not be read from the database yet."""

    title = "Tokens cannot be signed at the moment"
    slug = "keys-not-ready"

    def __init__(self) -> None:
        super().__init__("The signing keys could not be read yet. Try again in a moment.")
