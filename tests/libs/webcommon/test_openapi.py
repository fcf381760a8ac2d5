"""`/openapi.json` of each service describes the service as it is: names, answers and problems of every operation."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.documented import unconnected
from webcommon.app.service import Service

SERVICES = ["auth", "l2p", "payment", "videovault"]
BODILESS = {"/oauth2/revoke"}
"""200 without a body, as RFC 7009 has it."""
PAGES = {"/oauth2/authorize", "/v1/oauth/google/callback"}
"""Where a person's browser goes, not a program."""
MEASURED = {"/livez", "/readyz", "/health", "/metrics"}
VERB_NOUN = re.compile(r"[a-z]+(_[a-z0-9]+)+")


@pytest.fixture(scope="module", params=SERVICES)
def app(request: pytest.FixtureRequest) -> Service:
    return unconnected(request.param)


@pytest.fixture(scope="module")
async def document(app: Service) -> dict[str, Any]:
    """As a client gets it, without the application running."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    loaded: dict[str, Any] = answer.json()
    return loaded


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


async def test_the_description_names_the_service(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.")
    assert document["info"]["title"]
    assert document["info"]["version"]


async def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert [name for name in names if not VERB_NOUN.fullmatch(name)] == []


async def test_every_path_of_the_service_is_described(app: Service, document: dict[str, Any]) -> None:
    assert set(document["paths"]) >= MEASURED
    assert {path for path in document["paths"] if path not in MEASURED}, "nothing but health"


async def test_every_success_has_a_schema_or_no_body(document: dict[str, Any]) -> None:
    untyped = []
    for method, path, operation in operations(document):
        successes = {status: r for status, r in operation["responses"].items() if status.startswith("2")}
        redirects = [status for status in operation["responses"] if status.startswith("3")]
        assert successes or redirects, f"{method} {path}"
        for status, response in successes.items():
            schemas = [content.get("schema") for content in response.get("content", {}).values()]
            bodiless = (status in {"202", "204"} or path in BODILESS) and not schemas
            if not bodiless and not (schemas and all(schemas)):
                untyped.append(f"{method} {path} {status}")
    assert untyped == []


async def test_every_refusal_is_a_described_problem(document: dict[str, Any]) -> None:
    wrong = []
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and path not in MEASURED:
                content = response.get("content", {})
                schema = content.get("application/problem+json", {}).get("schema", {})
                is_problem = set(content) == {"application/problem+json"} and schema.get("$ref", "").endswith(
                    "/ProblemDocument"
                )
                is_page = path in PAGES and set(content) == {"text/html"}
                if not is_problem and not is_page and not _is_oauth_error(path, status, content):
                    wrong.append(f"{method} {path} {status}: {json.dumps(content)[:100]}")
    assert wrong == []


def _is_oauth_error(path: str, status: str, content: dict[str, Any]) -> bool:
    # RFC 6749, section 5.2: clients of these endpoints know no other body.
    schema = content.get("application/json", {}).get("schema", {})
    is_theirs = path.startswith("/oauth2/") and status in {"400", "401", "503"}
    kinds = {"application/json"}
    if (path, status) == ("/oauth2/introspect", "401"):
        kinds.add("application/problem+json")  # to who shows an access token
    return is_theirs and set(content) == kinds and schema["$ref"].endswith("/OAuthError")


async def test_what_any_operation_may_answer_is_said(document: dict[str, Any]) -> None:
    missing = []
    for method, path, operation in operations(document):
        wanted = {"500", "503"}
        if operation.get("requestBody"):
            wanted |= {"400", "413", "415", "422"}
        if operation.get("parameters"):
            wanted |= {"422"}
        if operation.get("security"):
            wanted |= {"401"}
        if lacking := wanted - set(operation["responses"]):
            missing.append(f"{method} {path}: {sorted(lacking)}")
    assert missing == []


async def test_what_cannot_be_invalid_is_not_said_to_be(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if not operation.get("requestBody") and not operation.get("parameters"):
            assert "422" not in operation["responses"], f"{method} {path}"


async def test_the_health_routes_say_what_they_answer(document: dict[str, Any]) -> None:
    ready = document["paths"]["/readyz"]["get"]["responses"]
    assert set(ready["503"]["content"]) == {"application/json"}
    assert set(document["paths"]["/health"]["get"]["responses"]["200"]["content"]) == {
        "application/health+json"
    }


async def test_nothing_of_the_framework_s_own_refusals_is_left(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in json.dumps(document)


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(references(document)):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


async def test_bodies_refuse_unknown_fields_and_say_so(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        for reference in references(content.get("application/json", {})):
            schema = schemas[reference.rsplit("/", 1)[1]]
            if schema.get("type") == "object":
                assert schema.get("additionalProperties") is False, f"{method} {path}: {reference}"


async def test_money_is_never_a_number(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            if re.search(r"(amount|price|total)(_(?!score)|$)", field):
                assert described.get("type") not in ("number", "integer"), f"{name}.{field}"


async def test_tokens_are_a_described_security_scheme(document: dict[str, Any]) -> None:
    used = {
        name
        for _, _, operation in operations(document)
        for entry in operation.get("security", [])
        for name in entry
    }
    schemes = document["components"].get("securitySchemes", {})
    assert used <= set(schemes)
    assert used
    for name in used:
        assert schemes[name]["type"] == "http"
        assert schemes[name]["scheme"] == "bearer"


async def test_the_page_for_people_is_there(app: Service) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        page = await client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text


def has_example(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether a schema, or something that it is made of, comes with an example."""
    if schema.keys() & {"examples", "const"}:
        return True
    if "$ref" in schema:
        return has_example(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    alternatives = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    parts = [*alternatives, *schema.get("properties", {}).values()]
    parts += [schema["items"]] if "items" in schema else []
    return any(has_example(part, document) for part in parts)


def test_every_body_comes_with_an_example(document: dict[str, Any]) -> None:
    bare = [
        (operation["operationId"], kind)
        for _, _, operation in operations(document)
        for body in (operation.get("requestBody", {}), *operation["responses"].values())
        for kind, content in body.get("content", {}).items()
        if kind.endswith("json")
        and not (content.get("examples") or has_example(content.get("schema", {}), document))
    ]
    assert bare == []


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
def test_health_is_described_by_what_it_answers(document: dict[str, Any], path: str) -> None:
    for response in document["paths"][path]["get"]["responses"].values():
        (content,) = response["content"].values()
        assert "$ref" in content["schema"]
