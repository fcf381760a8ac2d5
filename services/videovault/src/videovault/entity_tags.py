"""Entity tags and conditional requests (RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2)."""

import hashlib
import re

from webcommon.signing import encode_base64url

_TAG_BYTES = 15

_LISTED = re.compile(r'(W/)?("[^"]*")')


def entity_tag(content: bytes) -> str:
    """The strong entity tag of a response's bytes."""
    digest = hashlib.sha256(content).digest()[:_TAG_BYTES]
    return f'"{encode_base64url(digest)}"'


def is_unchanged(if_none_match: str | None, tag: str) -> bool:
    """Whether `If-None-Match` names `tag`, so that the response is 304. Compared weakly (section 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or any(listed == tag for _, listed in _LISTED.findall(if_none_match))


def is_current(if_match: str | None, tag: str) -> bool:
    """Whether `If-Match` allows a change of what has this `tag`. Compared strongly (section 13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return True
    return any(listed == tag and not weak for weak, listed in _LISTED.findall(if_match))
