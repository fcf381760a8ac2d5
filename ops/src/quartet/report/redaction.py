"""Takes secrets out of what leaves the machine: those that are known by their value, and whatever looks like one."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from quartet.errors import Failure
from quartet.settings import OperatorSettings
from webcommon.observability.masking import MASK, mask_text

SHORT = 8
"""A secret of fewer characters is replaced where it stands as a word; it may be a part of others."""

_VERIFIERS = re.compile(r"SCRAM-SHA-256\$[^\s'\"]+|\bmd5[0-9a-f]{32}\b|AGE-SECRET-KEY-\w+", re.IGNORECASE)


class Redactor:
    """Replaces secrets in texts. `secrets` are values, however they may be quoted where they stand."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelt = {
            form
            for secret in secrets
            for form in (secret, quote(secret, safe=""), quote_plus(secret))
            if form
        }
        # The longest first, since one may be a part of another.
        patterns = [_pattern(form) for form in sorted(spelt, key=len, reverse=True)]
        self._known = re.compile("|".join(patterns)) if patterns else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return mask_text(_VERIFIERS.sub(MASK, text))

    def value(self, value: Any) -> Any:
        """The same for every text within lists and dictionaries."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(key): self.value(part) for key, part in value.items()}
            case list() | tuple():
                return [self.value(part) for part in value]
        return value


def find_secrets(settings: OperatorSettings) -> set[str]:
    """The value of every secret setting, generated ones too, and the passwords within complete URLs."""
    found = set(settings.generated.values())
    for setting in settings.known.values():
        if not setting.secret:
            continue
        try:
            value = settings.secret(setting.name)
        except Failure:  # its file cannot be read, so nothing of it can stand in the report
            continue
        if value:
            found |= {value, _password_in(value)}
    return found - {""}


def _pattern(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= SHORT else rf"(?<!\w){escaped}(?!\w)"


def _password_in(value: str) -> str:
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""
