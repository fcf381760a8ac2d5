"""`Content-Disposition` with any name (RFC 6266, RFC 8187)."""

import re
from urllib.parse import quote

# attr-char of RFC 8187, section 3.2.1, that `quote` would escape.
_PLAIN = "!#$&+^`|"

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029/\\]")
_NOT_QUOTED = re.compile(r'[^\x20-\x7e]|["%]')


def attachment(name: str) -> str:
    """The header's value, by which a browser saves a file under this name. Control characters and separators of paths become
    underscores; programs that do not know `filename*` see one for each character that is not in ASCII, too."""
    safe = _UNSAFE.sub("_", name)
    fallback = _NOT_QUOTED.sub("_", safe)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(safe, safe=_PLAIN)}"
