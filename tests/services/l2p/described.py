"""Checks messages of the live channel against the service's AsyncAPI document."""

import copy
import functools
from typing import Any

import jsonschema_rs

from l2p import __version__
from l2p.live.asyncapi import describe


class NotAsDescribed(AssertionError):
    """A message that the document does not allow."""


@functools.cache
def _frames() -> jsonschema_rs.Draft7Validator:
    schemas = copy.deepcopy(describe(version=__version__)["components"]["schemas"])
    for schema in schemas.values():
        _close(schema)
    # The names in `$ref` stay those of the document.
    return jsonschema_rs.Draft7Validator(
        {"$ref": "#/components/schemas/frame", "components": {"schemas": schemas}}
    )


def _close(schema: Any) -> None:
    """Refuse members that are not described: clients have to live with them, and the tests have not."""
    if isinstance(schema, list):
        for part in schema:
            _close(part)
    elif isinstance(schema, dict):
        for part in schema.values():
            _close(part)
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)


def check_frame(frame: Any) -> None:
    """Raises `NotAsDescribed` when this is no frame of the server."""
    kind = frame.get("type") if isinstance(frame, dict) else None
    faults = list(_frames().iter_errors(frame))
    if faults:
        raise NotAsDescribed(f"{kind or 'a frame'} is not as described: {faults[0].message}; it is {frame}")
