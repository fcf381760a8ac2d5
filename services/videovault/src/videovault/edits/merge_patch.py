"""JSON merge patches (RFC 7396)."""

from collections.abc import Mapping
from typing import Any


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The object after a patch: null removes a key, objects are merged, anything else replaces (section 2)."""
    merged = {
        key: value for key, value in target.items() if patch.get(key, value) is not None or key not in patch
    }
    for key, value in patch.items():
        if isinstance(value, Mapping):
            inner = merged.get(key)
            merged[key] = merge_patch(inner if isinstance(inner, Mapping) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged
