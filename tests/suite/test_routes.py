"""The routes of all four services."""

import re
from typing import Any

import httpx
import pytest

from tests.documented import unconnected
from webcommon.app.service import Service


@pytest.fixture(params=["auth", "l2p", "payment", "videovault"])
def app(request: pytest.FixtureRequest) -> Service:
    """Each service, not started, without a database."""
    return unconnected(request.param)


async def test_a_method_that_a_path_does_not_allow_is_405_with_the_allowed_ones(app: Service) -> None:
    """Without paths that have a parameter, and those that it matches: another operation takes the method there."""
    documented = app.openapi()["paths"]
    templates = [re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in documented if "{" in path]
    paths = {
        path: set(operations)
        for path, operations in documented.items()
        if "{" not in path and not any(template.fullmatch(path) for template in templates)
    }
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path, taken in paths.items():
            for method in sorted({"put", "patch", "delete"} - taken):
                answer = await client.request(method, path)
                assert answer.status_code == 405, f"{method} {path}"
                assert taken <= set(re.split(", ?", answer.headers["allow"].lower())), path
    assert "/livez" in paths


def undecided_choices(part: Any) -> list[Any]:
    """Every `oneOf` in a document without a discriminator."""
    if isinstance(part, list):
        return [choice for item in part for choice in undecided_choices(item)]
    if not isinstance(part, dict):
        return []
    own = [part["oneOf"]] if "oneOf" in part and "discriminator" not in part else []
    return own + undecided_choices(list(part.values()))


def test_schemas_that_may_overlap_are_any_of_and_not_one_of(app: Service) -> None:
    """A body that fits two schemas of a `oneOf` is not valid (JSON Schema, 10.2.1.3); one of `anyOf` is."""
    assert undecided_choices(app.openapi()) == []
