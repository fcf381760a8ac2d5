"""The OpenAPI document."""

from typing import Any

import httpx

PROBLEMS = {
    ("post", "/v1/auth/register"): {"409", "422"},
    ("post", "/v1/auth/login"): {"401", "422"},
    ("get", "/v1/users/me"): {"401"},
    ("get", "/v1/users/{user_id}"): {"401", "404", "422"},
    ("post", "/v1/question-sets"): {"401", "409", "413", "422"},
    ("get", "/v1/question-sets"): {"401", "422"},
    ("post", "/v1/question-sets/import"): {"401", "409", "413", "422"},
    ("get", "/v1/question-sets/{set_id}"): {"401", "404", "422"},
    ("put", "/v1/question-sets/{set_id}"): {"401", "403", "404", "413", "422"},
    ("delete", "/v1/question-sets/{set_id}"): {"401", "403", "404", "422"},
    ("post", "/v1/question-sets/{set_id}/copy"): {"401", "403", "404", "409", "422"},
    ("get", "/v1/question-sets/{set_id}/export"): {"401", "403", "404", "422"},
    ("get", "/v1/users/{user_id}/stats"): {"401", "404", "422"},
    ("get", "/v1/users/{user_id}/games"): {"401", "404", "422"},
    ("get", "/v1/leaderboard"): {"401", "422"},
    ("post", "/v1/lobbies"): {"401", "422"},
    ("get", "/v1/lobbies"): {"401", "422"},
    ("get", "/v1/lobbies/{lobby_id}"): {"401", "404", "422"},
    ("get", "/v1/lobbies/by-code/{code}"): {"401", "404", "429"},
    ("post", "/v1/lobbies/by-code/{code}/guests"): {"404", "409", "422", "429"},
    ("get", "/v1/lobbies/{lobby_id}/players"): {"401", "404", "422"},
    ("post", "/v1/lobbies/{lobby_id}/kick"): {"401", "403", "404", "409", "422"},
    ("post", "/v1/lobbies/{lobby_id}/unban"): {"401", "403", "404", "409", "422"},
    ("post", "/v1/lobbies/{lobby_id}/transfer"): {"401", "403", "404", "409", "422"},
    ("patch", "/v1/lobbies/{lobby_id}"): {"401", "403", "404", "409", "422"},
    ("delete", "/v1/lobbies/{lobby_id}"): {"401", "403", "404", "409", "422"},
    ("post", "/v1/lobbies/{lobby_id}/join"): {"401", "403", "404", "409", "422", "429"},
    ("post", "/v1/lobbies/{lobby_id}/leave"): {"401", "404", "422"},
    ("post", "/v1/lobbies/{lobby_id}/ready"): {"401", "403", "422"},
    ("post", "/v1/lobbies/{lobby_id}/games"): {"401", "403", "404", "409", "422"},
    ("get", "/v1/lobbies/{lobby_id}/events"): {"401", "403", "404", "409", "422", "429"},
    ("get", "/v1/games/{game_id}"): {"401", "404", "422"},
    **{
        ("post", f"/v1/games/{{game_id}}/{command}"): {"401", "403", "404", "409", "422"}
        for command in ("close", "next", "pause", "resume", "abort")
    },
    ("post", "/v1/games/{game_id}/verify"): {"401", "404", "409", "422"},
    ("get", "/v1/games/{game_id}/results"): {"401", "404", "422"},
    ("get", "/v1/games/{game_id}/questions"): {"401", "404", "422"},
    ("post", "/v1/games/{game_id}/answers"): {"401", "403", "404", "409", "422"},
}


async def read_operations(client: httpx.AsyncClient) -> dict[tuple[str, str], dict[str, Any]]:
    document = (await client.get("/openapi.json")).json()
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/v1/")
    }


async def test_every_route_is_described(client: httpx.AsyncClient) -> None:
    operations = await read_operations(client)
    assert set(operations) == set(PROBLEMS)
    identifiers = [operation["operationId"] for operation in operations.values()]
    assert len(set(identifiers)) == len(identifiers)
    for operation in operations.values():
        assert operation["summary"]
        assert operation["description"]


async def test_every_response_has_a_schema(client: httpx.AsyncClient) -> None:
    for place, operation in (await read_operations(client)).items():
        responses = operation["responses"]
        assert PROBLEMS[place] | {"503"} <= set(responses)
        (success,) = (status for status in responses if status.startswith("2"))
        if operation["operationId"] == "stream_events":
            assert set(responses[success]["content"]) == {"text/event-stream"}
        elif success != "204":
            assert "$ref" in responses[success]["content"]["application/json"]["schema"]
        for status in set(responses) - {success}:
            schema = responses[status]["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ProblemDocument"}


async def test_every_route_but_those_of_accounts_and_guests_requires_a_token(
    client: httpx.AsyncClient,
) -> None:
    for (_, path), operation in (await read_operations(client)).items():
        is_open = path.startswith("/v1/auth/") or path.endswith("/guests")
        assert ("security" in operation) is not is_open
